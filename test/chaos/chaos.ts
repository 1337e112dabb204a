import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stateDocument } from '../../src/runtime/queries.ts'
import { listTurns } from '../../src/runtime/turn-queries.ts'
import { judge, type Verdict } from './judge.ts'
import { Operator } from './operator.ts'
import { createPlan, type Plan } from './plan.ts'
import { ReceiverProcess } from './receiver-process.ts'
import { sendAll, type SenderReport } from './sender.ts'
import { Victim } from './victim.ts'
import { DatabaseView } from './view.ts'

export interface ChaosOptions {
  readonly messages: number
  readonly kills: number
  readonly seed: number
  /** Time after which the rest is called stuck, ms. */
  readonly deadlineMs: number
  /** Gives up, and cleans up. */
  readonly signal?: AbortSignal
  readonly onKill?: (kills: number) => void
}

export interface ChaosReport extends Omit<Verdict, 'findings'> {
  readonly messages: number
  readonly kills: number
  readonly seed: number
  readonly acknowledged: number
  /** HTTP requests that it took to have all of them acknowledged. */
  readonly attempts: number
  readonly repeatsRecognised: number
  readonly effects: { readonly idempotent: number; readonly verify: number; readonly unkeyed: number }
  readonly arrivals: number
  readonly turnsInterrupted: number
  /** Effects whose outcome only a person could find out, and decisions that the agent took. */
  readonly parked: number
  readonly decisions: number
  readonly recoveryMedianMs: number
  readonly durationMs: number
  /** Nothing was left to do before the deadline. */
  readonly settled: boolean
  /** Every promise was kept. */
  readonly kept: boolean
  readonly findings: readonly string[]
}

/** Posts numbered inputs to a real agent, kills it with SIGKILL again and again, and has the outside judge. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const home = mkdtempSync(join(tmpdir(), 'perdura-chaos-'))
  const receiver = await ReceiverProcess.start()
  const run = new ChaosRun(options, home, receiver)
  try {
    return await run.execute()
  } finally {
    await run.end()
    await receiver.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

class ChaosRun {
  readonly #options: ChaosOptions
  readonly #home: string
  readonly #receiver: ReceiverProcess
  readonly #plan: Plan
  readonly #agent: Victim
  readonly #peer: Victim
  readonly #startedMs = performance.now()
  readonly #deadline: AbortSignal

  constructor(options: ChaosOptions, home: string, receiver: ReceiverProcess) {
    this.#options = options
    this.#home = home
    this.#receiver = receiver
    this.#plan = createPlan(options)
    const signals = options.signal === undefined ? [] : [options.signal]
    this.#deadline = AbortSignal.any([AbortSignal.timeout(options.deadlineMs), ...signals])
    const environment = { CHAOS_RECEIVER_PORT: String(receiver.port) }
    this.#peer = new Victim({ target: join(import.meta.dirname, 'peer.ts'), home, environment })
    this.#agent = new Victim({ target: join(import.meta.dirname, 'agent.ts'), home, environment })
  }

  async execute(): Promise<ChaosReport> {
    const view = new DatabaseView(this.#home, 'Chaos')
    const operator = new Operator({
      home: this.#home,
      agent: 'Chaos',
      view,
      receiverPort: this.#receiver.port,
    })
    operator.start()
    let settled: boolean
    let sent: SenderReport
    try {
      const sending = this.#send()
      await this.#kill()
      sent = await sending
      settled = await this.#settle(view)
    } finally {
      await operator.leave()
    }
    const open = settled ? [] : this.#openWork(view)
    await Promise.all([this.#agent.stop(), this.#peer.stop()])
    return this.#report({ view, sent, settled, open, decided: operator.report })
  }

  async end(): Promise<void> {
    await Promise.all([this.#agent.end(), this.#peer.end()])
  }

  /** Inputs are spread over the kills, so that most of them hit an agent at work. */
  #send(): Promise<SenderReport> {
    const { messages, kills } = this.#options
    const permit = async (n: number): Promise<void> => {
      while ((n - 1) / messages > (this.#kills + 1) / (kills + 1) && !this.#deadline.aborted) await sleep(5)
    }
    return sendAll({ plan: this.#plan, inboxUrl: () => this.#agent.inboxUrl, permit, signal: this.#deadline })
  }

  async #kill(): Promise<void> {
    for (const { victim, when, delayMs } of this.#plan.kills) {
      const target = victim === 'agent' ? this.#agent : this.#peer
      if (when !== 'starting') await target.ready()
      if (when !== 'stopping') await sleep(delayMs)
      if (this.#deadline.aborted) return
      let killed = when === 'stopping' ? await target.killWhileStopping(delayMs) : await target.kill()
      while (!killed) killed = await target.kill()
      this.#options.onKill?.(this.#kills)
    }
  }

  get #kills(): number {
    return this.#agent.kills + this.#peer.kills
  }

  async #settle(view: DatabaseView): Promise<boolean> {
    const peer = new DatabaseView(this.#home, 'Peer')
    while (!this.#deadline.aborted) {
      await Promise.all([this.#agent.ready(), this.#peer.ready()])
      // The agent first: what it has delivered is in the peer's inbox by then.
      if (view.settled && peer.settled) return true
      await sleep(50)
    }
    return false
  }

  #openWork(view: DatabaseView): string[] {
    const turns = view.read((reader) =>
      listTurns(reader, { statuses: ['pending', 'running', 'parked'], limit: 5 }),
    )
    return (turns ?? []).map(
      ({ turn, status, error }) => `turn ${turn} is still ${status}: ${error ?? 'no error'}`,
    )
  }

  async #report(end: {
    readonly view: DatabaseView
    readonly sent: SenderReport
    readonly settled: boolean
    readonly open: readonly string[]
    readonly decided: Operator['report']
  }): Promise<ChaosReport> {
    const { view, sent, settled, open, decided } = end
    const { messages, seed } = this.#options
    const outside = await this.#receiver.report()
    const shown = view.read((reader) => ({
      state: stateDocument(reader),
      mailbox: reader
        .all<{ content: string }>("SELECT content FROM outbox WHERE recipient = 'you' ORDER BY sequence")
        .map(({ content }) => JSON.parse(content) as { n: number; conversation: string; ordinal: number }),
      notes: reader.all<{ text: string }>('SELECT text FROM notes').map(({ text }) => text),
    }))
    if (shown === undefined) throw new Error('the database of a stopped agent cannot be read')
    const { findings, ...verdict } = judge({
      tasks: this.#plan.tasks,
      acknowledged: sent.acknowledged,
      outside,
      ...shown,
    })
    const all = [
      ...findings,
      ...sent.violations,
      ...open,
      ...this.#agent.complaints,
      ...this.#peer.complaints,
    ]
    const count = (policy: string): number =>
      outside.performances.filter((one) => one.policy === policy).length
    return {
      messages,
      kills: this.#kills,
      ...verdict,
      seed,
      acknowledged: sent.acknowledged.length,
      attempts: sent.attempts,
      repeatsRecognised: sent.recognised,
      effects: { idempotent: count('idempotent'), verify: count('verify'), unkeyed: count('unkeyed') },
      arrivals: outside.arrivals,
      turnsInterrupted: this.#agent.turnsInterrupted + this.#peer.turnsInterrupted,
      parked: decided.parked,
      decisions: decided.decisions,
      recoveryMedianMs: Math.round(median(this.#agent.recoveriesMs)),
      durationMs: Math.round(performance.now() - this.#startedMs),
      settled,
      kept: settled && all.length === 0 && sent.acknowledged.length === messages,
      findings: all,
    }
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
