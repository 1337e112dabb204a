import { listBackups } from '../../backup/backups.ts'
import { formatDuration } from '../../duration.ts'
import { backupDocument } from '../backups.ts'
import { PerduraError } from '../../errors.ts'
import type { Call } from '../call.ts'
import { requireAgent } from '../look.ts'
import { sizeText } from '../overview/overview-table.ts'

export function run(call: Call): undefined {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const { backups, unreadable } = listBackups(call.disk, paths.backups)
  const { output } = call
  const now = Date.now()
  if (backups.length === 0)
    output.note(`${agent} has no backups; take one with: ${call.hint(`perdura backup create ${agent}`)}`)
  else {
    output.table(
      ['BACKUP', 'AGE', 'CHANGE', 'SIZE', 'FOR', 'PROVEN'],
      backups.map(({ name, sizeBytes, manifest, proof }) => [
        name,
        formatDuration(Math.max(0, now - manifest.created_at)),
        String(manifest.sequence),
        sizeText(sizeBytes),
        manifest.encryption === undefined ? manifest.reason : `${manifest.reason}, encrypted`,
        proof === undefined ? output.paint('yellow', 'no') : `in ${formatDuration(proof.took_ms)}`,
      ]),
    )
  }
  for (const { name, error } of unreadable) output.note(output.paint('red', `${name}: ${error.message}`))
  output.document({
    agent,
    folder: paths.backups,
    backups: backups.map((backup) => backupDocument(backup)),
    unreadable: unreadable.map(({ name, error }) => ({ name, code: codeOf(error), message: error.message })),
  })
}

function codeOf(error: Error): string {
  return error instanceof PerduraError ? error.code : 'ERR_INTERNAL'
}
