import { join } from 'node:path'
import { listBackups } from '../../backup/backups.ts'
import { formatDuration } from '../../duration.ts'
import { PerduraError } from '../../errors.ts'
import { exitCodes } from '../../exit-codes.ts'
import { findBackup, openBackups, proveIn, readKey } from '../backups.ts'
import type { Call } from '../call.ts'
import { requireAgent } from '../look.ts'

interface Verified {
  readonly backup: string
  readonly whole: boolean
  readonly took_ms?: number
  readonly code?: string
  readonly message?: string
}

export async function run(call: Call): Promise<number | undefined> {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const key = readKey(call)
  const named = call.arguments.slice(1)
  const sources =
    named.length > 0 ? named.map((one) => findBackup(call, paths, one).path) : allOf(call, paths.backups)
  const { output } = call
  if (sources.length === 0)
    output.note(`${agent} has no backups; take one with: ${call.hint(`perdura backup create ${agent}`)}`)
  const found: Verified[] = []
  const parts = openBackups(call, paths)
  try {
    for (const path of sources) {
      const backup = path.startsWith(`${paths.backups}/`) ? path.slice(paths.backups.length + 1) : path
      try {
        const { took_ms } = await proveIn(parts, path, key)
        found.push({ backup, whole: true, took_ms })
        output.line(`${backup}: whole, taken out in ${formatDuration(took_ms)}`)
      } catch (error) {
        if (!(error instanceof PerduraError)) throw error
        found.push({ backup, whole: false, code: error.code, message: error.message })
        output.line(output.paint('red', `${backup}: ${error.code}: ${error.message}`))
      }
    }
  } finally {
    parts.release()
  }
  output.document({ agent, verified: found })
  return found.every(({ whole }) => whole) ? undefined : exitCodes.failed
}

function allOf(call: Call, folder: string): string[] {
  const { backups, unreadable } = listBackups(call.disk, folder)
  return [...backups, ...unreadable].map(({ name }) => join(folder, name))
}
