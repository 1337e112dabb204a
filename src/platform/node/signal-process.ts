import { isAlive, type ProcessIdentity, type ProcessTable } from '../process-table.ts'

/** False where that very process is gone, which it may be at any moment, or is not to be signalled. It never throws. */
export function signalProcess(
  table: ProcessTable,
  process: ProcessIdentity | undefined,
  name: NodeJS.Signals,
): boolean {
  if (!isAlive(table, process)) return false
  try {
    return globalThis.process.kill(process.pid, name)
  } catch {
    return false
  }
}
