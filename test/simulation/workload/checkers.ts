import { PerduraError } from '../../../src/index.ts'
import type { AgentSimulation, Incarnation } from '../../../src/testing/index.ts'
import type { Deployments } from './deployments.ts'
import type { MindLimits, State } from './mind.ts'
import { checkReplay, readDatabase, type Content } from './replay.ts'
import { always, type Input, type Op, type Workload } from './script.ts'
import type { World } from './world.ts'

/** Judges a start: what was acknowledged is there, and what it says about the process before is true. */
export function checkStart(simulation: AgentSimulation, world: World, incarnation: Incarnation): void {
  const { agent } = incarnation
  if (agent === undefined) return
  for (const [id, { position }] of world.acknowledged) {
    const row = agent.reader.get<{ position: number }>('SELECT position FROM inbox_seen WHERE id = ?', id)
    if (row?.position === position) continue
    world.violate(
      'acknowledged-durable',
      `${id} was acknowledged at ${position}, and then it was not there any more`,
    )
  }
  checkPrevious(simulation, world, incarnation)
  checkTold(simulation, world, incarnation)
}

/** What a clean stop said that it left is what the next start finds, the turn of that start aside. */
function checkTold(simulation: AgentSimulation, world: World, { number, agent }: Incarnation): void {
  const before = simulation.incarnations[number - 2]
  const told = before?.closed === true ? before.stop?.summary?.openTurns : undefined
  if (told === undefined || agent === undefined) return
  const open = agent.reader.all("SELECT 1 FROM inbox WHERE status IN ('pending', 'running', 'parked')").length
  if (open !== told && open !== told + 1)
    world.violate('stop-told', `stop ${number - 1} left ${told} turns, and start ${number} found ${open}`)
}

function checkPrevious(simulation: AgentSimulation, world: World, { number, agent }: Incarnation): void {
  const before = simulation.incarnations.slice(0, number - 1)
  const last = before.findLast(({ agent }) => agent !== undefined)
  const since = before.slice(last === undefined ? 0 : last.number)
  const possible = new Set<string>()
  if (last === undefined) possible.add('none')
  else if (last.closed && !world.unmarkedStops.has(last.number)) possible.add('clean')
  else possible.add('killed')
  if (last?.closing === true && !last.closed) possible.add('clean')
  // One that died while it started may have got as far as to leave its mark.
  if (since.length > 0) possible.add('killed')
  const previous = agent?.recovered.previous ?? ''
  if (possible.has(previous)) return
  world.violate(
    'start-flags',
    `start ${number} says that the process before was ${previous}, not ${[...possible].join(' or ')}`,
  )
}

/** Judges what has become of everything, once all is at rest. */
export function checkEnd(
  simulation: AgentSimulation,
  world: World,
  workload: Workload,
  limits: MindLimits,
  deployments: Deployments,
): void {
  const content = readDatabase(simulation)
  const state = Object.fromEntries(
    (content['state'] ?? []).map(({ key, value }) => [key, JSON.parse(value as string)]),
  ) as State
  const dead = checkDead(world, workload, content, limits)
  const handled = workload.threads.flat().filter(({ id }) => world.acknowledged.has(id) && !dead.has(id))
  const turns = handledTurns(world, handled, dead)
  checkState(world, workload, state, handled, turns)
  checkEffects(world, turns)
  checkMessages(world, turns)
  checkNotes(world, content, turns)
  checkPositions(world, content)
  checkStarts(simulation, world, workload, state)
  for (const incarnation of simulation.incarnations) {
    const { number, startError } = incarnation
    // A disk that is full or does not answer ends a start; what Perdura finds wrong by itself must not be there.
    if (!(startError instanceof PerduraError) || startError.code === 'ERR_STORE_WRITE') continue
    if (deployments.explains(incarnation)) continue
    world.violate('opens-again', `start ${number}: ${startError.message}`)
  }
  checkReplay(simulation, world, content)
}

interface Turn {
  readonly name: string
  readonly kind: 'message' | 'timer'
  readonly sender: string
  readonly conversation: string
  readonly ops: readonly Op[]
}

/** Turns that took effect, in the order in which their entries came in; timers after what set them. */
function handledTurns(world: World, handled: readonly Input[], dead: ReadonlySet<string>): Turn[] {
  const position = ({ id }: Input): number => world.acknowledged.get(id)?.position ?? 0
  return handled
    .toSorted((a, b) => position(a) - position(b))
    .flatMap(({ id, sender, conversation, ops }) => [
      { name: id, kind: 'message' as const, sender, conversation, ops },
      ...timersOf(id, ops)
        .filter(({ name }) => !dead.has(name))
        .map(({ name, ops: later }) => ({ name, kind: 'timer' as const, sender, conversation, ops: later })),
    ])
}

function timersOf(
  turn: string,
  ops: readonly Op[],
): { readonly name: string; readonly ops: readonly Op[] }[] {
  return ops.flatMap((op, index) =>
    op.do === 'schedule' ? [{ name: `${turn}/${index}!`, ops: op.ops }] : [],
  )
}

function checkDead(world: World, workload: Workload, content: Content, limits: MindLimits): Set<string> {
  const dead = new Set<string>()
  const entries = new Map((content['inbox'] ?? []).map((row) => [row['position'], row]))
  for (const { position, reason, evidence } of content['dead_letters'] ?? []) {
    const entry = entries.get(position)
    if (entry === undefined) {
      world.violate('nothing-lost', `dead letter ${String(position)} has no entry`)
      continue
    }
    const timer = entry['kind'] === 'timer' ? JSON.parse(entry['payload'] as string).payload.key : undefined
    const name = String(timer ?? entry['id'])
    dead.add(name)
    const { attempts, failures, error } = JSON.parse(evidence as string)
    if (error === null || attempts < 1)
      world.violate('nothing-lost', `${name} is dead without evidence: ${String(evidence)}`)
    const poisonous = opsOf(workload, name).some((op) => op.do === 'die')
    if (reason === 'crashed' && !poisonous) {
      world.violate('innocent-not-blamed', `${name} was set aside for killing the process, and never did`)
    }
    if (reason !== 'crashed' && failures < limits.failuresMax) {
      world.violate('nothing-lost', `${name} was set aside after ${failures} failures only`)
    }
  }
  for (const { id, ops } of workload.threads.flat()) {
    const hopeless = ops.some((op) => op.do === 'die' || (op.do === 'throw' && op.times >= always))
    if (hopeless && !dead.has(id) && !world.mended.has(id))
      world.violate('nothing-lost', `${id} cannot be handled, and is not set aside`)
    if (!world.acknowledged.has(id)) world.violate('nothing-lost', `${id} was never acknowledged`)
  }
  return dead
}

function opsOf(workload: Workload, name: string): readonly Op[] {
  return workload.threads.flat().find(({ id }) => id === name)?.ops ?? []
}

function checkState(
  world: World,
  workload: Workload,
  state: State,
  handled: readonly Input[],
  turns: readonly Turn[],
): void {
  const counts = new Map<string, number>()
  for (const id of Object.values(state.seen).flat()) counts.set(id, (counts.get(id) ?? 0) + 1)
  for (const { id } of handled) {
    const count = counts.get(id) ?? 0
    if (count === 0) world.violate('nothing-lost', `${id} was acknowledged and never handled`)
    if (count > 1) world.violate('state-once', `${id} changed the state ${count} times`)
  }
  for (const thread of workload.threads) {
    // What was set aside and tried again has lost its place.
    const ordered = thread.map(({ id }) => id).filter((id) => !world.mended.has(id))
    const order = (state.seen[thread[0]?.conversation ?? ''] ?? []).filter((id) => ordered.includes(id))
    const wanted = ordered.filter((id) => counts.has(id))
    if (String([...new Set(order)]) !== String(wanted))
      world.violate('order', `handled ${order.join(' ')}, sent ${wanted.join(' ')}`)
  }
  const ops = turns.flatMap((turn) => turn.ops)
  const sum = ops.reduce((total, op) => total + (op.do === 'add' ? op.amount : 0), 0)
  if (state.sum !== sum)
    world.violate('state-once', `the sum is ${state.sum}, and of what was handled ${sum}`)
  const balance = ops.reduce((total, op) => total + (op.do === 'transfer' ? op.amount : 0), 0)
  if (state.balance !== balance) {
    world.violate('no-lost-update', `the balance is ${state.balance}, and of what was handled ${balance}`)
  }
  const timers = turns.filter(({ kind }) => kind === 'timer')
  for (const { name } of timers) {
    const count = state.fired[name] ?? 0
    if (count !== 1) world.violate('timers-once', `timer ${name} fired ${count} times`)
  }
  for (const name of Object.keys(state.fired)) {
    if (!timers.some((timer) => timer.name === name))
      world.violate('timers-once', `timer ${name} should not have fired`)
  }
}

function checkEffects(world: World, turns: readonly Turn[]): void {
  for (const { label, kind, keys, applied, refused } of world.receipts.values()) {
    if (keys.size > 1) world.violate('effects-once', `${label} was asked for under ${keys.size} keys`)
    if (kind === 'unkeyed' && applied > 1)
      world.violate('unkeyed-at-most-once', `${label} happened ${applied} times`)
    if (kind === 'verify' && applied > 1) world.violate('effects-once', `${label} happened ${applied} times`)
    if (refused > 0 && applied > 0) world.violate('refusals-final', `${label} was refused, and happened`)
  }
  for (const { name, ops } of turns) {
    for (const [index, op] of ops.entries()) {
      if (op.do !== 'effect') continue
      const label = `${name}/${index}/${op.name}`
      // A turn ends only when it knows what became of its effects; whether one that it does not await failed, it ignores.
      const applied = world.receipts.get(label)?.applied ?? 0
      if (applied === 0 && !op.loose)
        world.violate('effects-once', `${name} was handled, and ${label} never happened`)
      if (op.kind === 'idempotent' && applied > 1) {
        world.violate('effects-once', `${label} happened ${applied} times`)
      }
    }
  }
}

function checkMessages(world: World, turns: readonly Turn[]): void {
  const key = (turn: string, index: number): string => `${turn}/${index}`
  const wanted = new Map<string, { readonly recipient: string; readonly turn: Turn }>()
  for (const turn of turns) {
    for (const [index, op] of turn.ops.entries()) {
      if (op.do === 'send') wanted.set(key(turn.name, index), { recipient: op.to, turn })
      if (op.do === 'reply') wanted.set(key(turn.name, index), { recipient: turn.sender, turn })
    }
  }
  const arrived = new Map<string, number>()
  for (const [at, { recipient, text }] of world.arrivals.entries()) {
    const { turn, index } = JSON.parse(text) as { turn: string; index: number }
    const name = key(turn, index)
    if (arrived.has(name)) world.violate('messages-once', `${name} arrived under two ids`)
    arrived.set(name, at)
    if (wanted.get(name)?.recipient !== recipient) {
      world.violate('messages-once', `${recipient} got ${name}, which nobody sent them`)
    }
  }
  const lastByThread = new Map<string, { readonly at: number; readonly name: string }>()
  for (const [name, { recipient, turn }] of wanted) {
    const at = arrived.get(name)
    if (at === undefined) {
      world.violate('messages-once', `${name} never arrived`)
      continue
    }
    const thread = `${turn.kind === 'timer' ? turn.name : turn.conversation} to ${recipient}`
    if (world.mended.has(turn.name)) continue
    const last = lastByThread.get(thread)
    if (last !== undefined && last.at > at) world.violate('order', `${name} arrived before ${last.name}`)
    lastByThread.set(thread, { at, name })
  }
}

function checkNotes(world: World, content: Content, turns: readonly Turn[]): void {
  const kept = new Map<string, number>()
  for (const { text, forgotten } of content['notes'] ?? []) {
    if (forgotten === 0) kept.set(text as string, (kept.get(text as string) ?? 0) + 1)
  }
  const wanted = turns.flatMap(({ name, ops }) =>
    ops.flatMap((op, index) => (op.do === 'note' ? [`note of ${name}/${index}`] : [])),
  )
  for (const text of wanted) {
    if (kept.get(text) !== 1) world.violate('notes-kept', `"${text}" is there ${kept.get(text) ?? 0} times`)
  }
  for (const text of kept.keys())
    if (!wanted.includes(text)) world.violate('notes-kept', `"${text}" is of no turn`)
}

function checkPositions(world: World, content: Content): void {
  const rows = content['inbox'] ?? []
  const positions = rows.map(({ position }) => position as number).toSorted((a, b) => a - b)
  for (const [index, position] of positions.entries()) {
    if (position !== index + 1) {
      world.violate('positions', `position ${index + 1} is missing`)
      break
    }
  }
  for (const [id, { position }] of world.acknowledged) {
    const row = rows.find((one) => one['position'] === position)
    if (row?.['id'] !== id)
      world.violate('positions', `${id} was acknowledged at ${position}, and there is ${String(row?.['id'])}`)
  }
}

function checkStarts(simulation: AgentSimulation, world: World, workload: Workload, state: State): void {
  if (!workload.hasStartHandler) return
  const ready = simulation.incarnations.filter(({ agent }) => agent !== undefined).length
  if (state.starts < 1 || state.starts > simulation.incarnations.length) {
    world.violate('start-flags', `onStart took effect ${state.starts} times in ${ready} starts`)
  }
  if (world.starts[0]?.first !== true)
    world.violate('start-flags', 'the first start was not said to be the first')
}
