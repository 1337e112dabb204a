import { ordinalKey } from '../agent/steps.ts'
import { formatDuration } from '../duration.ts'
import { terminal } from '../queue/outbox.ts'
import { queues } from '../queue/pauses.ts'
import { commitRoomBytes } from '../store/journal.ts'
import type { Reader } from '../store/store.ts'
import { nextTimers, storedStatus, terminalMessages } from './queries.ts'
import { deadMessages, pendingMessages } from './queue-queries.ts'
import { effectsOf, listTurns, type EffectView, type TurnSummary } from './turn-queries.ts'
import { explainOutgoing, explainDeadMessages, explainSession } from './why-delivery.ts'
import type { Explanation, StoredFacts, WhyFacts } from './why-facts.ts'
import { explainAbsence, explainKeeping, explainSafeMode } from './why-keeping.ts'
import { excerpt, plural } from './why-text.ts'

const examinedMax = 200
const shownMax = 10

export function storedFacts(reader: Reader): StoredFacts {
  const status = storedStatus(reader)
  const open = listTurns(reader, {
    statuses: ['pending', 'running', 'parked'],
    order: 'oldest',
    limit: examinedMax,
  })
  return {
    open,
    openCount: status.inbox.pending + status.inbox.running + status.inbox.parked,
    effects: new Map(
      open
        .filter((turn) => turn.status === 'parked')
        .map((turn) => [turn.turn, effectsOf(reader, turn.turn)]),
    ),
    dead: listTurns(reader, { statuses: ['dead'], limit: shownMax }),
    deadCount: status.inbox.dead,
    outgoing: pendingMessages(reader, examinedMax).filter((message) => message.to !== terminal),
    deadMessages: deadMessages(reader, shownMax),
    paused: status.paused,
    unread: terminalMessages(reader, 0, examinedMax),
    timers: nextTimers(reader, 1),
    doneCount: status.inbox.done,
  }
}

/** Why the agent is not doing something, most pressing first. Never empty. */
export function explain(facts: WhyFacts): Explanation[] {
  const { agent, stored } = facts
  const found = [
    ...explainProcess(facts),
    ...explainPauses(facts),
    ...explainSession(facts),
    ...explainTurns(facts),
    ...explainOutgoing(facts),
    ...explainDeadMessages(facts),
  ]
  for (const turn of stored.dead) {
    const reason = turn.error === null ? '' : `: ${turn.error}`
    found.push({
      reason: 'dead-letter',
      turn: turn.turn,
      text: `turn ${turn.turn} ("${excerpt(turn.text)}") was set aside after ${attempts(turn)}${reason}`,
      command: `perdura turn retry ${agent} ${turn.turn}`,
    })
  }
  if (stored.deadCount > stored.dead.length) {
    const more = stored.deadCount - stored.dead.length
    found.push({
      reason: 'dead-letter',
      text: `${more} more turns were set aside`,
      command: `perdura turn list ${agent} --status dead --limit ${stored.deadCount}`,
    })
  }
  if (stored.unread.length > 0) {
    const count = stored.unread.length
    found.push({
      reason: 'unread',
      text: `${plural(count, 'message')} for you ${count === 1 ? 'has' : 'have'} not been read`,
      command: `perdura chat ${agent}`,
    })
  }
  const [timer] = stored.timers
  if (timer !== undefined) {
    const inMs = timer.dueAt - facts.now
    found.push({
      reason: 'timer',
      text: `the next timer is due ${inMs > 0 ? `in ${formatDuration(inMs)}` : `since ${formatDuration(-inMs)}`}`,
    })
  }
  if (stored.openCount === 0 && stored.outgoing.length === 0 && facts.process.state === 'running') {
    found.push({
      reason: 'idle',
      text: `there is nothing to do: ${plural(stored.doneCount, 'turn')} done, the inbox and the outbox are empty`,
    })
  }
  return found
}

function explainPauses({ agent, now, stored }: WhyFacts): Explanation[] {
  const what = {
    inbox: 'takes in what comes, and handles nothing of it',
    outbox: 'keeps what it has to send, and sends nothing',
  }
  return queues.flatMap((queue) => {
    const since = stored.paused[queue]
    if (since === null) return []
    return {
      reason: 'paused' as const,
      text: `the ${queue} has been paused for ${formatDuration(Math.max(0, now - since))}: ${agent} ${what[queue]}`,
      command: `perdura queue resume ${agent} --${queue}`,
    }
  })
}

function explainProcess(facts: WhyFacts): Explanation[] {
  const { agent, process } = facts
  const found: Explanation[] = []
  const absence =
    process.state === 'running' || facts.movedTo !== undefined ? undefined : explainAbsence(facts)
  if (absence !== undefined) found.push(absence)
  else if (process.state === 'killed' && process.supervised === true) {
    found.push({
      reason: 'killed',
      text: `${agent} has no process at this moment: its supervisor is starting it`,
    })
  } else if (process.state === 'killed') {
    found.push({
      reason: 'killed',
      text: `${agent} is not running: its process${process.pid === undefined ? '' : ` ${process.pid}`} was killed. Nothing that it took in is lost`,
      command: `perdura start ${agent}`,
    })
  } else if (process.state === 'stopped' && facts.movedTo !== undefined) {
    found.push({
      reason: 'moved',
      text: `${agent} was exported from here (to ${facts.movedTo}), and goes on where that was imported: it is to be started there`,
      command: `perdura start ${agent} --despite-move`,
    })
  } else if (process.state === 'stopped') {
    found.push({ reason: 'not-running', text: `${agent} is not running`, command: `perdura start ${agent}` })
  } else if (process.answers === false) {
    found.push({
      reason: 'not-answering',
      text: `process ${process.pid ?? ''} runs but does not answer: a handler may be in an endless loop, or the process is suspended`,
      command: `perdura logs ${agent} -n 20`,
    })
  }
  if (process.state === 'running' && process.safeMode === true) {
    found.push(explainSafeMode(facts))
  }
  found.push(...explainKeeping(facts))
  if (facts.freeBytes < commitRoomBytes) {
    found.push({
      reason: 'disk-full',
      text: `the disk of its home is full: free some space, and ${process.supervised === true || process.state === 'running' ? 'it goes on by itself' : 'start it'}`,
    })
  }
  if (facts.lag > 0 && process.state !== 'running') {
    found.push({
      reason: 'lagging',
      text: `the database lags the journal by ${plural(facts.lag, 'record')}: nothing is lost, the next start applies ${facts.lag === 1 ? 'it' : 'them'}`,
    })
  }
  return found
}

function explainTurns(facts: WhyFacts): Explanation[] {
  const found: Explanation[] = []
  const { agent, stored } = facts
  // The first open turn of a conversation holds up those behind it.
  const heads = new Map<string, TurnSummary>()
  const behind = new Map<number, number>()
  for (const turn of stored.open) {
    const head = heads.get(turn.conversation)
    if (head === undefined) heads.set(turn.conversation, turn)
    else behind.set(head.turn, (behind.get(head.turn) ?? 0) + 1)
  }
  const sorted = [...heads.values()].sort((a, b) => urgency[a.status] - urgency[b.status] || a.turn - b.turn)
  for (const turn of sorted.slice(0, shownMax)) {
    found.push(...explainHead(facts, turn, stored.effects.get(turn.turn) ?? []))
    const count = behind.get(turn.turn) ?? 0
    if (count > 0) {
      found.push({
        reason: 'waits-behind',
        turn: turn.turn,
        text: `${plural(count, 'more turn')} of conversation "${turn.conversation}" ${count === 1 ? 'waits' : 'wait'} behind turn ${turn.turn}: one conversation is handled in order`,
      })
    }
  }
  const shown = sorted.slice(0, shownMax).reduce((sum, turn) => sum + 1 + (behind.get(turn.turn) ?? 0), 0)
  if (stored.openCount > shown) {
    found.push({
      reason: 'not-shown',
      text: `${plural(stored.openCount - shown, 'more turn')} not finished, of other conversations`,
      command: `perdura queue list ${agent}`,
    })
  }
  return found
}

const urgency = { parked: 0, pending: 1, running: 2, dead: 3, done: 4 } as const

function explainHead(facts: WhyFacts, turn: TurnSummary, effects: readonly EffectView[]): Explanation[] {
  const { agent, now } = facts
  const what = `turn ${turn.turn} ("${excerpt(turn.text)}")`
  if (turn.status === 'parked') {
    const unknown = effects.filter((effect) => effect.status === 'unknown')
    return unknown.map((effect) => ({
      reason: 'parked' as const,
      turn: turn.turn,
      text: `${what} waits for you: nobody knows whether effect "${ordinalKey(effect.name, effect.occurrence)}" (key ${effect.key}) happened; look there, then decide`,
      command: decideCommand(agent, turn.turn, effect),
    }))
  }
  if (turn.status === 'running') {
    const since = formatDuration(Math.max(0, now - (turn.startedAt ?? now)))
    if (facts.process.state === 'running') {
      return [
        {
          reason: 'running',
          turn: turn.turn,
          text: `${what} has been running for ${since}, attempt ${turn.attempts}${turn.failures > 0 && turn.error !== null ? `; the one before failed: ${turn.error}` : ''}`,
        },
      ]
    }
    return [
      {
        reason: 'interrupted',
        turn: turn.turn,
        text: `${what} was interrupted; it goes on at the next start`,
      },
    ]
  }
  if (turn.failures > 0 && turn.availableAt > now) {
    const cause = turn.error === null ? '' : `: ${turn.error}`
    return [
      {
        reason: 'waits-to-retry',
        turn: turn.turn,
        text: `${what} failed ${turn.failures === 1 ? 'once' : `${turn.failures} times`}${cause}; it is tried again in ${formatDuration(turn.availableAt - now)}`,
      },
    ]
  }
  return [{ reason: 'ready', turn: turn.turn, text: `${what} is next in its conversation and has not begun` }]
}

/**
 * The command by which a person decides about an effect. Pasted as it stands it is an error to a shell, and never one of
 * the two answers.
 */
export function decideCommand(
  agent: string,
  turn: number,
  effect: Pick<EffectView, 'name' | 'occurrence'>,
): string {
  const label = ordinalKey(effect.name, effect.occurrence)
  const word = /^[\w.:/@%+=,-]+$/.test(label) ? label : `'${label.replaceAll("'", String.raw`'\''`)}'`
  return `perdura turn resolve ${agent} ${turn} ${word} <--done|--not-done>`
}

function attempts(turn: TurnSummary): string {
  if (turn.crashes > 0)
    return `the process died ${turn.crashes === 1 ? 'once' : `${turn.crashes} times`} in it`
  return plural(Math.max(1, turn.failures), 'failed attempt')
}
