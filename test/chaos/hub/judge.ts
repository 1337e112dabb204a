import { agentNames, nobody, type Work } from './plan.ts'

/** What the databases say once everything is at rest, read by whoever is none of the product. */
export interface Evidence {
  readonly work: Work
  /** By agent: the labels of what took effect, in the order in which it did. */
  readonly handled: ReadonlyMap<string, readonly string[]>
  /** Labels of messages that were refused to their senders. */
  readonly refused: ReadonlySet<string>
  /** Labels of messages that the hub keeps for somebody whom it does not know. */
  readonly keptForNobody: ReadonlySet<string>
  /** Whose folder was put back, the hub's or an agent's. What such an agent had sent since, it decided twice. */
  readonly putBack: ReadonlySet<string>
}

export interface Verdict {
  /** Inputs and messages that never took effect, and were not refused. */
  readonly lost: number
  /** What took effect more often than once. */
  readonly duplicated: number
  /** What took effect before something that its sender sent earlier in the same conversation. */
  readonly reordered: number
  /** Refused, as everything that goes to nobody must be. */
  readonly refused: number
  /** What was wrong, in words. */
  readonly findings: readonly string[]
}

/** Compares what took effect with what the inputs had to lead to. */
export function judge(evidence: Evidence): Verdict {
  const { work, handled, refused, keptForNobody, putBack } = evidence
  const findings: string[] = []
  let lost = 0
  let duplicated = 0
  for (const name of agentNames) {
    const counts = countsOf(handled.get(name) ?? [])
    for (const label of labelsFor(work, name)) {
      const count = counts.get(label) ?? 0
      counts.delete(label)
      if (count === 1) continue
      if (count === 0) lost += 1
      else duplicated += count - 1
      findings.push(`${label} took effect ${count} times at ${name}${refused.has(label) ? ': refused' : ''}`)
    }
    for (const label of counts.keys()) findings.push(`${name} handled ${label}, which nobody sent there`)
  }
  for (const [label, { to }] of work.messages) {
    if (to !== nobody || refused.has(label)) continue
    // A hub that was put back may have known the name before: what comes again for it is kept until it is old.
    if (putBack.has('hub') && keptForNobody.has(label)) continue
    lost += 1
    findings.push(`${label} went to nobody, and was not refused`)
  }
  const disorder = agentNames.flatMap((name) => [
    ...disorderOfWays(name, handled.get(name) ?? []),
    ...disorderOfSenders(name, evidence),
  ])
  return {
    lost,
    duplicated,
    reordered: disorder.length,
    refused: refused.size,
    findings: [...findings, ...disorder],
  }
}

function labelsFor({ inputs, messages }: Work, name: string): string[] {
  const handedIn = inputs.filter(({ agent }) => agent === name).map(({ task }) => task.label)
  const sent = [...messages].filter(([, { to }]) => to === name).map(([label]) => label)
  return [...handedIn, ...sent]
}

function countsOf(labels: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1)
  return counts
}

/**
 * What came the same way of the same thread has the order of its inputs, whoever was put back; and of the same turn, that
 * in which it was sent.
 */
function disorderOfWays(name: string, handled: readonly string[]): string[] {
  const latest = new Map<
    string,
    { readonly number: number; readonly index: number; readonly label: string }
  >()
  return handled.flatMap((label) => {
    const [thread, number, ...way] = label.split('/')
    const place = { number: Number(number), index: Number.parseInt(way.at(-1) ?? '0', 10), label }
    const key = [thread, ...way.slice(0, -1), way.length].join('/')
    const before = latest.get(key)
    if (before !== undefined && !comesAfter(place, before)) {
      return [`${name} handled ${label} after ${before.label}, which was sent later`]
    }
    latest.set(key, place)
    return []
  })
}

interface Place {
  readonly number: number
  readonly index: number
}

/** What took effect twice is not out of order for that. */
function comesAfter(place: Place, before: Place): boolean {
  return place.number > before.number || (place.number === before.number && place.index >= before.index)
}

/**
 * All that one agent sent another in one conversation has the order in which the sender's turns took effect. Known of
 * senders that were not put back: one that was may have done its turns in another order the second time.
 */
function disorderOfSenders(name: string, { work, handled, putBack }: Evidence): string[] {
  return agentNames
    .filter((sender) => sender !== name && !putBack.has(sender))
    .flatMap((sender) => {
      const rank = new Map((handled.get(sender) ?? []).map((label, at) => [label, at]))
      const latest = new Map<
        string,
        { readonly number: number; readonly index: number; readonly label: string }
      >()
      return (handled.get(name) ?? []).flatMap((label) => {
        if (work.messages.get(label)?.from !== sender) return []
        const parts = label.split('/')
        const index = Number.parseInt(parts.at(-1) ?? '0', 10)
        const place = { number: rank.get(parts.slice(0, -1).join('/')) ?? 0, index, label }
        const conversation = parts[0] ?? ''
        const before = latest.get(conversation)
        if (before !== undefined && !comesAfter(place, before)) {
          return [`${name} handled ${label} after ${before.label}, which ${sender} sent later`]
        }
        latest.set(conversation, place)
        return []
      })
    })
}
