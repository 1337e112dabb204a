import fs from 'node:fs'
import path from 'node:path'

const filesMax = 20
/** Name of the newest report that a start has told of. */
const seenFile = 'seen'

/**
 * Writes a report into the folder, which keeps the newest twenty. Synchronous, for a process that is about to end; throws
 * where it cannot be written. Returns its path.
 */
export function writeCrashReport(folder: string, atMs: number, pid: number, text: string): string {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const name = `${new Date(atMs).toISOString().replaceAll(':', '-')}-${pid}.json`
  const file = path.join(folder, name)
  const draft = `${file}.tmp`
  fs.writeFileSync(draft, text, { mode: 0o600 })
  fs.renameSync(draft, file)
  const old = fs
    .readdirSync(folder)
    .filter((entry) => entry !== seenFile && !reports(folder).slice(-filesMax).includes(entry))
  for (const entry of old) fs.rmSync(path.join(folder, entry), { force: true })
  return file
}

/**
 * Reports that no start has been told of, oldest first; the next call does not return them again. A folder that cannot be
 * read or written has none: that is no reason not to start.
 */
export function takeCrashReports(folder: string): readonly string[] {
  try {
    const names = reports(folder)
    const newest = names.at(-1)
    if (newest === undefined) return []
    const seenPath = path.join(folder, seenFile)
    const seen = fs.existsSync(seenPath) ? fs.readFileSync(seenPath, 'utf8').trim() : ''
    if (newest > seen) fs.writeFileSync(seenPath, `${newest}\n`, { mode: 0o600 })
    return names.filter((name) => name > seen).map((name) => path.join(folder, name))
  } catch {
    return []
  }
}

/** The newest report, as far as it can be read; undefined where there is none. Nothing is changed by it. */
export function newestCrashReport(
  folder: string,
): { readonly at: number; readonly message: string; readonly file: string } | undefined {
  try {
    const name = reports(folder).at(-1)
    if (name === undefined) return undefined
    const file = path.join(folder, name)
    const { at, error } = JSON.parse(fs.readFileSync(file, 'utf8')) as {
      readonly at?: unknown
      readonly error?: { readonly message?: unknown }
    }
    const message = typeof error?.message === 'string' ? error.message : ''
    return { at: typeof at === 'number' ? at : 0, message, file }
  } catch {
    return undefined
  }
}

function reports(folder: string): string[] {
  if (!fs.existsSync(folder)) return []
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
}
