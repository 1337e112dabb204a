import type { HubParts } from '../../../src/hub/parts.ts'
import type { Actor } from '../../../src/hub/publishing.ts'
import type { HubReader } from '../../../src/hub/storage.ts'
import type { Transport } from '../../../src/platform/transport.ts'
import type { SimulatedClock } from '../../../src/testing/index.ts'
import { ConnectionJudge } from './connection-judge.ts'
import { Forgotten } from './forgotten.ts'
import type { AgentMachine, HubMachine } from './machines.ts'
import type { Watchers } from './watchers.ts'
import type { Mishaps } from './mishaps.ts'
import { lostOnTheWay } from './moved-picture.ts'
import { TokenJudge } from './token-judge.ts'
import { QueueWatch, type QueueInvariant } from './queue-watch.ts'
import type { WireWorld } from './wire-world.ts'
import { agentNames, nobody, type Task, type Work } from './work.ts'

export interface Violation {
  readonly invariant: Invariant
  readonly message: string
}

export type Invariant =
  | 'ack-after-commit'
  | 'verdict-after-commit'
  | 'publish-after-commit'
  | 'refusals-justified'
  | 'fenced-changes-nothing'
  | 'one-session'
  | 'no-gap'
  | 'delivered-once'
  | 'refusals-final'
  | 'expired-final'
  | 'order'
  | 'offsets-without-holes'
  | 'one-accepted'
  | 'moved-whole'
  | 'moved-for-good'
  | 'converges'
  | 'legal-steps'
  | 'no-hammering'
  | 'obeys-retry-after'
  | 'obeys-drain'
  | 'half-open-noticed'
  | 'hurries'
  | 'back-in-time'
  | 'online'
  | 'one-live-leaf'
  | 'no-reuse-alarm'
  | 'no-stray-errors'
  | QueueInvariant
  | 'revocations-heeded'

/** A poll, the time that a hub believes what it remembers without one, and something for the work itself. */
const heedsWithinMs = 8_000

/** Holds what must always hold against the history of everything that hub and agents did. */
export class Judge implements Watchers {
  readonly violations: Violation[] = []
  readonly reached = new Map<string, number>()
  readonly queues: QueueWatch
  readonly #work: Work
  readonly #mishaps: Mishaps
  readonly #forgotten: Forgotten
  readonly #sessions = new Map<string, Set<string>>()
  readonly connections: ConnectionJudge
  readonly #tokens: TokenJudge
  readonly #clock: Pick<SimulatedClock, 'monotonicMs'>
  /** When each login was ended. */
  readonly #revokedMs = new Map<string, number>()

  constructor(clock: SimulatedClock, work: Work, mishaps: Mishaps) {
    this.#clock = clock
    this.connections = new ConnectionJudge(clock, {
      violate: (invariant, message) => this.violate(invariant, message),
      count: (what) => this.#count(what),
    })
    this.#tokens = new TokenJudge({
      mishaps,
      violate: (invariant, message) => this.violate(invariant, message),
      count: (what) => this.#count(what),
    })
    this.#work = work
    this.#mishaps = mishaps
    this.#forgotten = new Forgotten(work, mishaps)
    this.queues = new QueueWatch({
      clock,
      work,
      violate: (invariant, message) => this.violate(invariant, message),
    })
  }

  violate(invariant: Invariant, message: string): void {
    this.violations.push({ invariant, message })
  }

  /** The hub's decisions, watched: whichever they are, what comes under a lower generation must change nothing. */
  hubParts(parts: HubParts): HubParts {
    return {
      ...parts,
      standing: this.#tokens.standing(parts.standing),
      publishInOrder: async (tx, limits, sender, place, publication, context) => {
        const outcome = await parts.publishInOrder(tx, limits, sender, place, publication, context)
        if (outcome.kind === 'verdict') {
          await this.#mustBeCurrent(tx, sender, `published ${publication.id}`)
          this.#mustBeLive(sender, `published ${publication.id}`)
        }
        return outcome
      },
      acknowledge: async (tx, actor, position, now) => {
        const outcome = await parts.acknowledge(tx, actor, position, now)
        if (outcome === 'moved') await this.#mustBeCurrent(tx, actor, `acknowledged ${position.position}`)
        return outcome
      },
    }
  }

  transport(machine: AgentMachine, transport: Transport): Transport {
    return this.connections.transport(machine, transport)
  }

  revoked(sids: readonly string[]): void {
    for (const sid of sids) this.#revokedMs.set(sid, this.#clock.monotonicMs())
  }

  /** What comes under a login that was ended is taken for seconds more, and no longer. */
  #mustBeLive(sender: Actor & { readonly sid?: string }, what: string): void {
    const atMs = this.#revokedMs.get(sender.sid ?? '')
    const lateMs = atMs === undefined ? 0 : this.#clock.monotonicMs() - atMs
    if (lateMs <= heedsWithinMs) return
    this.violate(
      'revocations-heeded',
      `${sender.name} ${what} ${Math.round(lateMs)} ms after its login was revoked`,
    )
  }

  /** An agent has just sent this. */
  sent(machine: AgentMachine, frame: string): void {
    if (frame.startsWith('{"type":"ack"')) this.#acknowledged(machine, frame)
    else if (frame.startsWith('{"type":"publish"')) this.#published(machine, frame)
  }

  #acknowledged(machine: AgentMachine, frame: string): void {
    const { epoch, offset } = JSON.parse(frame) as { epoch: string; offset: number }
    const row = machine.agent?.reader.get<{ stream_epoch: string; rx_offset: number }>(
      'SELECT stream_epoch, rx_offset FROM session',
    )
    if (row !== undefined && row.stream_epoch === epoch && row.rx_offset >= offset) return
    this.violate(
      'ack-after-commit',
      `${machine.host} acknowledged ${offset}, and has ${row?.rx_offset} on its disk`,
    )
  }

  #published(machine: AgentMachine, frame: string): void {
    const { agent, host } = machine
    this.queues.published(machine)
    const { seq, id } = JSON.parse(frame) as { seq: number; id: string }
    const row = agent?.reader.get('SELECT 1 FROM outbox WHERE seq = ? AND id = ?', seq, id)
    if (row === undefined)
      this.violate('publish-after-commit', `${host} published ${id}, which is not on its disk`)
  }

  /** The hub has just sent this. */
  answered({ host, database }: HubMachine, frame: string): void {
    if (!frame.startsWith('{"type":"publish_ack"') || !frame.includes('"result":"ok"')) return
    const { message_id: id } = JSON.parse(frame) as { message_id: string }
    if (database.look('SELECT 1 FROM publishes WHERE id = ?', id).length > 0) return
    this.violate('verdict-after-commit', `${host} said ok of ${id}, which is not on its disk`)
  }

  /** What was on the disk there is on the disk here: nobody else has it any more. */
  moved(left: Uint8Array, to: AgentMachine): void {
    for (const what of lostOnTheWay(left, to)) this.violate('moved-whole', what)
  }

  log(machine: string, event: string, fields: Readonly<Record<string, unknown>>): void {
    this.connections.log(machine, event, fields)
    this.#tokens.log(machine, event, fields)
    if (event === 'hub:session:resumed') {
      this.#count(`ready:${String(fields['reason'])}`)
    }
    // One that the agent was never told it has does not count.
    if (event === 'session:state:changed' && fields['to'] === 'online') {
      const agent = String(fields['agent'])
      this.#sessions.set(agent, (this.#sessions.get(agent) ?? new Set()).add(String(fields['session'])))
    }
    // That its sender gave a message so long only, and that was over, nobody waits for.
    if (event === 'session:gap:announced' && fields['reason'] !== 'ttl')
      this.violate('no-gap', `${machine}: ${JSON.stringify(fields)}`)
    if (event === 'session:connection:failed') this.#count(`failed:${String(fields['why'])}`)
    if (['session:ended', 'hub:address:changed', 'hub:address:returning'].includes(event)) this.#count(event)
    if (event === 'hub:handshake:refused') this.#count('handshake:refused')
  }

  checkEnd(world: WireWorld): void {
    this.#checkSessions()
    for (const name of world.outage.offline)
      this.violate('online', `${name} was not, and one of two addresses worked`)
    const refused = this.#labelsOf(world, 'refused')
    const expired = this.#labelsOf(world, 'expired')
    if (expired.size > 0) this.#count('expired')
    for (const name of agentNames) {
      const machine = world.accepted(name)
      if (machine?.agent === undefined) {
        this.violate('converges', `${name} is not online`)
        continue
      }
      this.#checkHandled(name, handledBy(machine), { refused, expired })
      this.#checkAccepted(world, machine)
    }
    for (const [label, { to }] of this.#work.messages) {
      // A hub that was put back keeps what is published again for a name that it may have known before.
      if (
        to !== nobody ||
        isWithin(label, refused, true) ||
        isWithin(label, expired, true) ||
        this.#mishaps.hubRestores > 0
      )
        continue
      this.violate('refusals-final', `${label} went to nobody, and was not refused`)
    }
    this.#checkRefusals(refused)
    this.#checkStreams(world)
  }

  /** Where there is room, and everybody has been there, nobody but nobody is refused anything. */
  #checkRefusals(refused: ReadonlySet<string>): void {
    if (this.#mishaps.waitingMax < 100) return
    for (const label of refused) {
      const to = this.#work.messages.get(label)?.to
      if (to !== nobody) this.violate('refusals-justified', `${label} to ${to} was refused`)
    }
  }

  async #mustBeCurrent(tx: HubReader, { aiId, name, generation }: Actor, what: string): Promise<void> {
    const holder = await tx.get<{ generation: number; standing: string }>(
      'SELECT generation, standing FROM holders WHERE ai_id = ?',
      aiId,
    )
    if (holder === undefined || generation === undefined || generation > holder.generation) return
    if (generation === holder.generation) {
      if (holder.standing === 'held') return
      return this.violate(
        'fenced-changes-nothing',
        `${name} ${what}, and has let go of generation ${generation}`,
      )
    }
    this.violate(
      'fenced-changes-nothing',
      `${name} ${what} under generation ${generation}, and ${holder.generation} is the current one`,
    )
  }

  #checkSessions(): void {
    if (this.#forgotten.session) return
    for (const [agent, sessions] of this.#sessions) {
      if (sessions.size > 1)
        this.violate('one-session', `${agent} had the sessions ${[...sessions].join(', ')}`)
    }
  }

  /** Of the messages of which this was the end. One that was tried again is what became of that. */
  #labelsOf(world: WireWorld, status: 'refused' | 'expired'): Set<string> {
    const labels = agentNames.flatMap((name) => {
      const agent = world.accepted(name)?.agent
      const rows = agent?.reader.all<{ content: string }>(
        'SELECT content FROM outbox WHERE status = ? AND retried_as IS NULL ORDER BY sequence',
        status,
      )
      return (rows ?? []).map(({ content }) => (JSON.parse(content) as Task).label)
    })
    return new Set(labels)
  }

  #checkHandled(
    name: string,
    handled: readonly string[],
    { refused, expired }: { readonly refused: ReadonlySet<string>; readonly expired: ReadonlySet<string> },
  ): void {
    const counts = new Map<string, number>()
    for (const label of handled) counts.set(label, (counts.get(label) ?? 0) + 1)
    const wanted = [
      ...this.#work.inputs.filter(({ agent }) => agent === name).map(({ task }) => task.label),
      ...[...this.#work.messages].filter(([, { to }]) => to === name).map(([label]) => label),
    ]
    for (const label of wanted) {
      const count = counts.get(label) ?? 0
      const mayCome = !isWithin(label, refused, true)
      const isOver = isWithin(label, expired, true)
      if (isOver && count > (this.#forgotten.expiry ? 1 : 0))
        this.violate('expired-final', `${label} has expired, and took effect`)
      if (mayCome && !isOver && count !== 1 && !(count > 1 && this.#forgotten.mayComeTwice(label)))
        this.violate('delivered-once', `${label} took effect ${count} times at ${name}`)
      if (!mayCome && count > 0 && !this.#forgotten.verdicts)
        this.violate('refusals-final', `${label} was refused, and took effect`)
    }
    const last = new Map<string, { number: number; label: string }>()
    for (const label of handled) {
      const [thread, number, ...way] = label.split('/')
      const key = [thread, ...way].join('/')
      const before = last.get(key)
      // What was refused and is tried again comes behind what was not.
      const keepsOrder =
        !this.#forgotten.order && this.#mishaps.retries === 0 && !this.#forgotten.mayComeLate(label)
      if (before !== undefined && before.number >= Number(number) && keepsOrder) {
        this.violate('order', `${name} handled ${label} after ${before.label}`)
      }
      if (keepsOrder) last.set(key, { number: Number(number), label })
    }
  }

  /** Nobody but the one with the hub's generation may take itself for accepted. */
  #checkAccepted(world: WireWorld, machine: AgentMachine): void {
    const [holder] = world.hub.database.look<{ generation: number }>(
      'SELECT generation FROM holders JOIN profiles ON id = ai_id WHERE name = ?',
      machine.name,
    )
    const own = machine.agent?.reader.get<{ generation: number }>('SELECT generation FROM session')
    if (holder?.generation !== own?.generation) {
      this.violate(
        'one-accepted',
        `${machine.host} has ${own?.generation}, and the hub ${holder?.generation}`,
      )
    }
    const online = world
      .machinesOf(machine.name)
      .filter(({ alive, session }) => alive && session === 'online')
    if (online.length > 1) this.violate('one-accepted', `${machine.name} is online ${online.length} times`)
    // A copy that was started in between has a generation that a hub which was put back may not know.
    if (machine.left && this.#mishaps.hubRestores === 0)
      this.violate(
        'moved-for-good',
        `${machine.host} was moved elsewhere, and is the one that the hub accepts`,
      )
  }

  #checkStreams(world: WireWorld): void {
    const streams = world.hub.database.look<{
      ai_id: number
      floor: number
      top: number
      count: number
      last: number | null
    }>(
      `SELECT streams.ai_id, floor, top, count(position) AS count, max(position) AS last
       FROM streams LEFT JOIN entries USING (ai_id) GROUP BY streams.ai_id`,
    )
    for (const { ai_id: aiId, floor, top, count, last } of streams) {
      if (count !== top - floor || (last ?? floor) !== top) {
        this.violate('offsets-without-holes', `stream ${aiId} has ${count} entries from ${floor} to ${top}`)
      }
    }
    const twice = world.hub.database.look<{ message_id: string }>(
      'SELECT message_id FROM messages GROUP BY sender_id, recipient_id, message_id HAVING count(*) > 1',
    )
    for (const { message_id: id } of twice) this.violate('delivered-once', `${id} is at the hub twice`)
  }

  #count(what: string): void {
    this.reached.set(what, (this.reached.get(what) ?? 0) + 1)
  }
}

function handledBy({ agent }: AgentMachine): string[] {
  const row = agent?.reader.get<{ value: string }>("SELECT value FROM state WHERE key = 'handled'")
  return row === undefined ? [] : (JSON.parse(row.value) as string[])
}

/** Whether one of the messages on the way to this one was refused (with `self`, or itself). */
function isWithin(label: string, refused: ReadonlySet<string>, self: boolean): boolean {
  if (self && refused.has(label)) return true
  const parts = label.split('/')
  return parts.some((_, index) => index >= 2 && refused.has(parts.slice(0, index).join('/')))
}
