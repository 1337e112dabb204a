/** What one agent knows of the numbered messages that it has handled, by stream. Part of its state, and bounded. */
export interface Ledger {
  handled: number
  /** The number that comes next, where nothing goes wrong. */
  next: Record<string, number>
  /** Numbers that were jumped over and have not come since. */
  missing: Record<string, number[]>
  doubled: number
  reordered: number
  /** What there was no room for in `missing`. */
  forgotten: number
}

const missingMax = 1_000

export function emptyLedger(): Ledger {
  return { handled: 0, next: {}, missing: {}, doubled: 0, reordered: 0, forgotten: 0 }
}

/** Enters a message that takes effect. Each stream is numbered from 1, and its order is to be kept. */
export function enter(ledger: Ledger, stream: string, number: number): void {
  ledger.handled += 1
  const expected = ledger.next[stream] ?? 1
  const missing = (ledger.missing[stream] ??= [])
  if (number >= expected) {
    for (let jumped = expected; jumped < number; jumped += 1) {
      if (missing.length < missingMax) missing.push(jumped)
      else ledger.forgotten += 1
    }
    ledger.next[stream] = number + 1
    return
  }
  const at = missing.indexOf(number)
  if (at === -1) {
    ledger.doubled += 1
    return
  }
  missing.splice(at, 1)
  ledger.reordered += 1
}

export interface Verdict {
  readonly messages: number
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
  /** What was wrong, in words. */
  readonly findings: readonly string[]
}

/** `expected`: by agent, how many messages of each stream must have taken effect there, and none besides. */
export function judge(
  expected: ReadonlyMap<string, ReadonlyMap<string, number>>,
  ledgers: ReadonlyMap<string, Ledger>,
): Verdict {
  const findings: string[] = []
  let [messages, lost, duplicated, reordered] = [0, 0, 0, 0]
  for (const [agent, streams] of expected) {
    const ledger = ledgers.get(agent) ?? emptyLedger()
    for (const [stream, count] of streams) {
      const last = (ledger.next[stream] ?? 1) - 1
      const missing = ledger.missing[stream] ?? []
      messages += count
      lost += missing.length + Math.max(0, count - last)
      if (missing.length > 0)
        findings.push(`${agent} never handled ${stream} ${missing.slice(0, 10).join(', ')}`)
      if (last < count) findings.push(`${agent} handled ${stream} up to ${last} of ${count}`)
      if (last > count) findings.push(`${agent} handled ${stream} up to ${last}, and ${count} were handed in`)
    }
    for (const stream of Object.keys(ledger.next)) {
      if (!streams.has(stream)) findings.push(`${agent} handled ${stream}, which nobody sent there`)
    }
    lost += ledger.forgotten
    duplicated += ledger.doubled
    reordered += ledger.reordered
    if (ledger.doubled > 0) findings.push(`${agent} handled ${ledger.doubled} messages twice`)
    if (ledger.reordered > 0) findings.push(`${agent} handled ${ledger.reordered} messages out of order`)
  }
  return { messages, lost, duplicated, reordered, findings }
}
