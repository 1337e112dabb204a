import { pruneBackups } from '../../backup/backups.ts'
import { defaultRotation } from '../../backup/rotation.ts'
import { openBackups } from '../backups.ts'
import type { Call } from '../call.ts'
import { requireAgent } from '../look.ts'
import { sizeText } from '../overview/overview-table.ts'

const countMax = 10_000

export function run(call: Call): undefined {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const keep = (name: keyof typeof defaultRotation): number =>
    call.count(`keep-${name}`, defaultRotation[name], countMax)
  const policy = {
    last: keep('last'),
    hourly: keep('hourly'),
    daily: keep('daily'),
    weekly: keep('weekly'),
    monthly: keep('monthly'),
  }
  const dryRun = call.flag('dry-run')
  const parts = openBackups(call, paths)
  try {
    const pruned = pruneBackups(call.disk, paths.backups, policy, dryRun)
    const { output } = call
    const going = pruned.filter(({ keptFor }) => keptFor.length === 0)
    for (const { name, keptFor } of pruned)
      output.line(keptFor.length === 0 ? `- ${name}` : `  ${name}  ${keptFor.join(', ')}`)
    const bytes = going.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    const did = dryRun ? 'would be removed' : 'removed'
    output.note(`${going.length} of ${pruned.length} ${did} (${sizeText(bytes)})`)
    output.document({
      agent,
      dry_run: dryRun,
      kept: pruned
        .filter(({ keptFor }) => keptFor.length > 0)
        .map(({ name, keptFor }) => ({ name, kept_for: keptFor })),
      removed: going.map(({ name }) => name),
    })
  } finally {
    parts.release()
  }
}
