/**
 * Imported for its effect by a test file that opens sockets, starts processes or sets timers:
 *
 *     import '../../helpers/leaks.ts'
 *
 * When the file's tests are over, everything that keeps the process alive must be gone again; what is still there
 * after a short grace fails the file, by kind and count. (Processes are looked for once more over the whole run.)
 */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

const graceMs = 2000
const pollMs = 20

/** Of Node's own making, or gone by themselves with the operation that they stand for. */
const harmless = new Set(['CloseReq', 'FSReqCallback', 'FSReqPromise', 'Immediate', 'TickObject'])

const before = count()

after(async () => {
  let left = leaked()
  for (let waitedMs = 0; left.length > 0 && waitedMs < graceMs; waitedMs += pollMs) {
    await sleep(pollMs)
    left = leaked()
  }
  if (left.length === 0) return
  // What leaked would keep this process from ending; unreferenced, this timer keeps nothing itself.
  setTimeout(() => process.exit(1), 500).unref()
  assert.fail(`${process.argv[1]}: its tests left behind ${left.join(', ')}`)
})

function leaked(): string[] {
  return [...count()]
    .map(([kind, number]) => ({ kind, more: number - (before.get(kind) ?? 0) }))
    .filter(({ kind, more }) => more > 0 && !harmless.has(kind))
    .map(({ kind, more }) => `${more} × ${kind}`)
}

function count(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}
