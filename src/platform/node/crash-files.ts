import fs from 'node:fs'
import path from 'node:path'

const filesMax = 20
const draftMs = 60_000
/** Names of the reports that a start has told of. */
const seenFile = 'seen'
/** `2026-01-02T03-04-05.678Z`: names begin with it, so that they stand in the order of time. */
const stampLength = 24

/**
 * Writes a report into the folder, which keeps the newest twenty, this one among them whatever the clock says. Synchronous,
 * for a process that is about to end; throws where it cannot be written. Returns its path.
 */
export function writeCrashReport(folder: string, atMs: number, pid: number, text: string): string {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const name = `${stampOf(atMs)}-${pid}.json`
  const file = path.join(folder, name)
  const draft = `${file}.tmp`
  fs.writeFileSync(draft, text, { mode: 0o600 })
  fs.renameSync(draft, file)
  const others = reports(folder, atMs).filter((other) => other !== name)
  const kept = new Set([name, seenFile, ...others.slice(1 - filesMax)])
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const other = path.join(folder, entry.name)
    if (!entry.isFile() || kept.has(entry.name) || isRecentDraft(other, atMs)) continue
    fs.rmSync(other, { force: true })
  }
  return file
}

/** Of another process, which crashes at this moment. */
function isRecentDraft(file: string, nowMs: number): boolean {
  if (!file.endsWith('.tmp')) return false
  const written = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return written > nowMs - draftMs
}

/**
 * Reports that no start has been told of, oldest first; the next call does not return them again. A folder that cannot be
 * read or written has none: that is no reason not to start.
 */
export function takeCrashReports(folder: string): readonly string[] {
  try {
    const names = reports(folder, Date.now())
    const seenPath = path.join(folder, seenFile)
    const seen = new Set(fs.existsSync(seenPath) ? fs.readFileSync(seenPath, 'utf8').split('\n') : [])
    const news = names.filter((name) => !seen.has(name))
    if (news.length > 0) fs.writeFileSync(seenPath, `${names.join('\n')}\n`, { mode: 0o600 })
    return news.map((name) => path.join(folder, name))
  } catch {
    return []
  }
}

/** The newest report, as far as it can be read; undefined where there is none. Nothing is changed by it. */
export function newestCrashReport(
  folder: string,
): { readonly at: number; readonly message: string; readonly file: string } | undefined {
  try {
    const name = reports(folder, Date.now()).at(-1)
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

/** Oldest first. Those of the future come before all others: a clock that was wrong then says nothing about how old they are. */
function reports(folder: string, nowMs: number): string[] {
  if (!fs.existsSync(folder)) return []
  const now = stampOf(nowMs)
  const names = fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
  const isOfFuture = (name: string): boolean => name.slice(0, stampLength) > now
  return [...names.filter(isOfFuture), ...names.filter((name) => !isOfFuture(name))]
}

function stampOf(atMs: number): string {
  return new Date(atMs).toISOString().replaceAll(':', '-')
}
