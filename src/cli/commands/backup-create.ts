import { backupDocument, keyHint, openBackups, readKey, refusePlain, takeProven } from '../backups.ts'
import type { Call } from '../call.ts'
import { requireAgent, viewProcess } from '../look.ts'
import { sizeText } from '../overview/overview-table.ts'

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const key = readKey(call)
  refusePlain(call, paths, key)
  const parts = openBackups(call, paths)
  try {
    const stopped = viewProcess(call, paths).state === 'running' ? undefined : paths.folder
    const taken = await takeProven(parts, { reason: 'asked', key, stopped })
    const { output } = call
    const { name, sizeBytes, manifest } = taken
    output.line(`${name}: ${sizeText(sizeBytes)}, up to change ${manifest.sequence}, proven`)
    output.note(
      `put ${agent} back to it:  ${call.hint(`perdura backup restore ${agent} ${name}${keyHint(call)}`)}`,
    )
    output.document({ agent, folder: parts.folder, ...backupDocument(taken) })
  } finally {
    parts.release()
  }
}
