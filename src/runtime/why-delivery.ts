import { formatDuration } from '../duration.ts'
import { gaveUp } from '../session/session-states.ts'
import { terminal } from '../queue/outbox.ts'
import type { OutgoingView, TurnView } from './turn-queries.ts'
import type { Explanation, SessionFacts, WhyFacts } from './why-facts.ts'
import { excerpt, plural } from './why-text.ts'

/* Why something is not on its way to others: the session at the hub, the recipients, and the hub itself. */

/** Recipients that are named one by one. */
const shownMax = 10

/** Whoever asks why wants to know of what has just become of something, not of last week. */
const recentMs = 3_600_000

/** What was refused, or has expired, and was not sent again. */
export function explainDeadMessages({ agent, now, stored }: WhyFacts): Explanation[] {
  const recent = stored.deadMessages.filter(
    ({ settledAt, retriedAs }) => now - (settledAt ?? 0) < recentMs && retriedAs === null,
  )
  return recent.slice(0, 3).map(({ sequence, status, to, turn, text, error }) => ({
    reason: status === 'refused' ? ('refused' as const) : ('expired' as const),
    ...(turn > 0 && { turn }),
    text: `"${excerpt(text)}" for ${to} ${status === 'refused' ? 'was refused' : 'has expired'}: ${error ?? 'no reason given'}`,
    command: turn > 0 ? `perdura turn show ${agent} ${turn}` : `perdura queue show ${agent} out:${sequence}`,
  }))
}

export function explainSession({ agent, now, process, session }: WhyFacts): Explanation[] {
  if (session === undefined || session.state === 'online' || session.state === 'offline') return []
  const { hub, reason, since } = session
  if (session.state === 'ended') {
    return [
      {
        reason: 'session-ended',
        text: `the hub ${hub} would not have the last process of ${agent}: ${reason}`,
        // A session that was ended has nobody to be taken from.
        command: `perdura start ${agent}${/session was ended/.test(reason) ? '' : ' --takeover'}`,
      },
    ]
  }
  if (process.state !== 'running') return []
  const lasted = formatDuration(Math.max(0, now - since))
  if (reason.includes('another process of this agent')) {
    return [
      {
        reason: 'in-use',
        text: `${agent} has not been connected for ${lasted}: at the hub ${hub} another process of it is, perhaps of a copy of this home. It waits until that one is gone; to end that one instead, stop this one, and start it so that it takes over`,
        command: `perdura start ${agent} --takeover`,
      },
    ]
  }
  const text = `${agent} has not been connected to the hub ${hub} for ${lasted}: ${reason}`
  // It says itself what brings it back.
  if (reason.includes(gaveUp)) {
    return [
      { reason: 'gave-up', text: `${text}. Nothing is lost`, command: `perdura session reconnect ${agent}` },
    ]
  }
  return [
    {
      reason: 'not-connected',
      text: `${text}. ${nextTryOf(session)}, and nothing is lost`,
      command: 'perdura hub status',
    },
  ]
}

function nextTryOf({ state, nextTryMs, attempts = 0 }: SessionFacts): string {
  if (state === 'connecting' || state === 'resuming') return 'It is trying now'
  if (typeof nextTryMs !== 'number') return 'It goes on trying'
  const next = `in ${formatDuration(nextTryMs)}`
  return state === 'suspended'
    ? `That is more than a short outage, so it tries about every 30 s; next ${next}`
    : `It tries again ${next}, after ${plural(attempts, 'attempt')} in a row`
}

export function explainOutgoing(facts: WhyFacts): Explanation[] {
  if (facts.session !== undefined) return explainAtHub(facts, facts.session)
  const found: Explanation[] = []
  const byRecipient = Map.groupBy(facts.stored.outgoing, (message) => message.to)
  for (const [recipient, messages] of [...byRecipient].slice(0, shownMax)) {
    const count = plural(messages.length, 'message')
    const state = facts.recipients.get(recipient) ?? 'missing'
    const error = messages.findLast((message) => message.error !== null)?.error
    if (state === 'stopped') {
      found.push({
        reason: 'recipient',
        text: `${count} for ${recipient} ${messages.length === 1 ? 'waits' : 'wait'}: ${recipient} is not running`,
        command: `perdura start ${recipient}`,
      })
    } else if (state === 'missing') {
      found.push({ reason: 'recipient', text: `${count} for ${recipient}: there is no such agent here` })
    } else {
      found.push({
        reason: 'recipient',
        text: `${count} for ${recipient} not delivered yet${error === undefined || error === null ? '' : `: ${error}`}`,
      })
    }
  }
  return found
}

function explainAtHub({ stored }: WhyFacts, session: SessionFacts): Explanation[] {
  const count = stored.outgoing.length
  if (count === 0) return []
  const recipients = [...new Set(stored.outgoing.map(({ to }) => to))].slice(0, shownMax).join(', ')
  const wait = count === 1 ? 'waits' : 'wait'
  const what = `${plural(count, 'message')} for ${recipients} ${wait} in the outbox`
  return [
    {
      reason: 'at-the-hub',
      text:
        session.state === 'online'
          ? `${what} for the verdict of the hub ${session.hub}`
          : `${what} until there is a connection to the hub ${session.hub}`,
    },
  ]
}

/** Where a turn and what it sent stand, one sentence each. */
export function explainTurn(turn: TurnView, now: number, session: SessionFacts | undefined): Explanation[] {
  const { turn: number, status } = turn
  const what = `turn ${number} ("${excerpt(turn.text)}" from ${turn.from})`
  const ended = turn.finishedAt === null ? '' : ` since ${formatDuration(Math.max(0, now - turn.finishedAt))}`
  const error = turn.error === null ? '' : `: ${turn.error}`
  const reason = {
    done: 'idle',
    dead: 'dead-letter',
    parked: 'parked',
    running: 'running',
    pending: 'ready',
  } as const
  const found: Explanation[] = [
    { reason: reason[status], turn: number, text: `${what} is ${status}${ended}${error}` },
  ]
  for (const message of turn.sent) {
    found.push({ reason: standing[message.status], turn: number, text: standingOf(message, session) })
  }
  return found
}

const standing = {
  pending: 'at-the-hub',
  delivered: 'idle',
  refused: 'refused',
  expired: 'expired',
} as const satisfies Record<OutgoingView['status'], Explanation['reason']>

function standingOf(message: OutgoingView, session: SessionFacts | undefined): string {
  const { to, status, error, seq } = message
  const what = `"${excerpt(message.text)}" for ${to}`
  if (status === 'refused') return `${what} was refused: ${error ?? 'no reason given'}`
  if (status === 'expired') return `${what} has expired: ${error ?? 'it was never read'}`
  if (to === terminal) return status === 'delivered' ? `${what} has been read` : `${what} has not been read`
  if (status === 'delivered')
    return seq === null ? `${to} has it on disk: ${what}` : `the hub has it on disk: ${what}`
  if (session === undefined) return `${what} waits in the outbox until ${to} can take it`
  return session.state === 'online'
    ? `${what} waits in the outbox ${seq === null ? 'until it is its turn' : `for the hub's verdict, as number ${seq}`}`
    : `${what} waits in the outbox: no connection to the hub ${session.hub} (${session.reason})`
}
