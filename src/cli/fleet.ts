import { toError } from '../errors.ts'
import type { Log } from '../platform/log.ts'
import { SettingsSource } from '../settings/settings.ts'
import { exitCodes } from '../exit-codes.ts'
import type { Call } from './call.ts'
import type { FleetMember } from './fleet-view.ts'
import { HealthFeeds } from './health-feeds.ts'
import { LinePresenter, ScreenPresenter, type Presenter } from './presenters.ts'
import type { Activity, ProcessMessage } from './process-messages.ts'
import type { SupervisorRecord } from './supervisor-record.ts'
import { Upkeep, type UpkeepPlan, type UpkeepSink } from './upkeep.ts'

export interface FleetPlan {
  /** In the order in which they are started; a hub stands before its agents. */
  readonly members: readonly UpkeepPlan[]
  /** One for each agent, in the same order: says that its agent is kept running. */
  readonly records: readonly SupervisorRecord[]
  /** The agent whose name is known only once its process has loaded it, if there is one. */
  readonly nameless?: boolean
  /** Where the agents meet. */
  readonly hubUrl: string | undefined
}

/**
 * One `up`: keeps its processes running and shows how it goes, until somebody says stop. Agents stop before their hub, so
 * that what they have just committed still gets out.
 *
 * A process that ends with "do not start me again" ends the whole where it has never been ready: something is wrong with
 * how it was started. Later it is shown and left, and the others go on; without an agent left, the rest stops too.
 */
export class Fleet implements UpkeepSink {
  readonly #call: Call
  readonly #plan: FleetPlan
  readonly #members: readonly (FleetMember & { readonly upkeep: Upkeep })[]
  readonly #presenter: Presenter
  readonly #health: HealthFeeds
  readonly #over = new Set<Upkeep>()
  readonly #ended = Promise.withResolvers<void>()
  #error: Error | undefined
  #stopping = false

  constructor(call: Call, plan: FleetPlan) {
    this.#call = call
    this.#plan = plan
    const [first] = plan.members
    this.#health = new HealthFeeds({
      home: call.home,
      log: noteLog(call),
      settings: () => first?.settings ?? new SettingsSource(call.disk, call.home).current,
    })
    let agents = 0
    this.#members = plan.members.map((member) => {
      const upkeep = new Upkeep(member, this, this.#health)
      const key = member.kind === 'hub' ? 'h' : String((agents += 1))
      return { upkeep, model: upkeep.model, kind: member.kind, key }
    })
    this.#presenter =
      process.stdout.isTTY && !call.output.json
        ? new ScreenPresenter(call, this.#members, plan.hubUrl, {
            kill: (key) => this.#kill(key),
            stop: () => this.#stop('q'),
          })
        : new LinePresenter(call, this.#members)
  }

  async run(): Promise<number> {
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
    const onSignal = (signal: NodeJS.Signals): void => this.#stop(signal)
    for (const signal of signals) process.on(signal, onSignal)
    this.#call.onBrokenPipe = () => this.#stop('broken pipe')
    this.#presenter.open()
    try {
      for (const { upkeep } of this.#members) upkeep.start()
      await this.#ended.promise
    } finally {
      this.#presenter.close()
      this.#health.close()
      for (const signal of signals) process.off(signal, onSignal)
    }
    if (this.#error !== undefined) throw this.#error
    this.#call.output.document(this.#document())
    return exitCodes.fine
  }

  onMessage(upkeep: Upkeep, message: ProcessMessage): void {
    const { model } = upkeep
    switch (message.type) {
      case 'named':
        if (this.#plan.nameless === true) void this.#claim(message.name)
        break
      case 'ready':
        this.#presenter.ready(model, message)
        break
      case 'hub':
        this.#presenter.hub(model, message)
        break
      case 'activity':
        for (const line of message.lines) this.#presenter.happened(model, line)
        break
      case 'stop':
        this.#stopOne(upkeep)
        break
      case 'handover':
      case 'failed':
      case 'beat':
      case 'busy':
        break
    }
  }

  onActivity({ model }: Upkeep, activity: Activity): void {
    this.#presenter.happened(model, activity)
  }

  onLine({ model }: Upkeep, line: string): void {
    this.#presenter.childLine(model, line)
  }

  onChange({ model }: Upkeep): void {
    this.#presenter.changed(model)
  }

  onEnd(upkeep: Upkeep): void {
    this.#over.add(upkeep)
    const at = this.#agents().indexOf(upkeep)
    // Whoever waits for this agent to be stopped need not wait for the others.
    if (at >= 0) this.#plan.records[at]?.release()
    const { failure } = upkeep
    this.#error ??= failure
    const hopeless = failure !== undefined && !upkeep.wasReady
    const idle = this.#agents().every((agent) => this.#over.has(agent))
    if (!this.#stopping && (hopeless || idle)) this.#stop(failure?.code ?? 'no agent is left')
    if (this.#members.every((member) => this.#over.has(member.upkeep))) this.#ended.resolve()
  }

  #agents(): Upkeep[] {
    return this.#members.filter(({ kind }) => kind === 'agent').map(({ upkeep }) => upkeep)
  }

  #kill(key: string): void {
    // The first agent also has the key that it has alone.
    const wanted = key === 'k' ? '1' : key
    this.#members.find((member) => member.key === wanted)?.upkeep.kill()
  }

  #stop(reason: string): void {
    if (!this.#stopping && this.#members.some(({ upkeep }) => !this.#over.has(upkeep)))
      this.#presenter.stopping(reason)
    const again = this.#stopping
    this.#stopping = true
    const rest = this.#members.filter(({ kind }) => kind === 'hub').map(({ upkeep }) => upkeep)
    const agents = this.#agents().filter((agent) => !this.#over.has(agent))
    // A second time nothing is waited for.
    const stopped = again
      ? Promise.all([...agents, ...rest].map((upkeep) => upkeep.stop()))
      : Promise.all(agents.map((agent) => agent.stop())).then(() =>
          Promise.all(rest.map((upkeep) => upkeep.stop())),
        )
    stopped.catch((error: unknown) => {
      this.#error = toError(error)
      this.#ended.resolve()
    })
  }

  #stopOne(upkeep: Upkeep): void {
    const alone = this.#agents().filter((agent) => !this.#over.has(agent)).length <= 1
    if (alone) this.#stop('asked to')
    else void upkeep.stop()
  }

  async #claim(name: string): Promise<void> {
    try {
      await this.#plan.records[0]?.claim(name)
    } catch (error) {
      this.#error = toError(error)
      this.#stop('in use')
    }
  }

  #document(): object {
    const agents = this.#agents().map(({ model }) => {
      const { agent, cameIn, tookEffect, kills, restarts, counters } = model
      return { agent, cameIn, tookEffect, kills, restarts, counters }
    })
    const [only] = agents
    if (agents.length === 1 && only !== undefined) return only
    return { hub: this.#plan.hubUrl ?? null, agents }
  }
}

/** `up` has no log of its own: what it could not tell a person elsewhere, it says to the one who started it. */
function noteLog(call: Call): Log {
  const log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (event, fields) => {
      const { by, agent, reason } = fields ?? {}
      const texts = [agent, by, reason].filter((text) => typeof text === 'string')
      call.output.note(`${event}: ${texts.join(', ')}`)
    },
    with: () => log,
  }
  return log
}
