import { toError, type PerduraError } from '../errors.ts'
import type { Log } from '../platform/log.ts'
import type { SettingsSource } from '../settings/settings.ts'
import { exitCodes } from '../exit-codes.ts'
import type { Call } from './call.ts'
import type { FleetMember } from './fleet-view.ts'
import { HealthFeeds } from './health-feeds.ts'
import { OwnTerminal } from './own-terminal.ts'
import { LinePresenter, ScreenPresenter, type Presenter } from './presenters.ts'
import type { Activity, ProcessMessage } from './process-messages.ts'
import type { SupervisorRecord } from './supervisor-record.ts'
import { Upkeep, type UpkeepPlan, type UpkeepSink } from './upkeep.ts'

export interface FleetPlan {
  /** Of the home; what holds for `up` itself and for how it keeps its processes running. */
  readonly settings: SettingsSource
  /** In the order in which they are started; a hub stands before its agents. */
  readonly members: readonly UpkeepPlan[]
  /** One for each agent, in the same order: says that its agent is kept running. */
  readonly records: readonly SupervisorRecord[]
  /** The agent whose name is known only once its process has loaded it, if there is one. */
  readonly nameless?: boolean
  /** Where the agents meet. */
  readonly hubUrl: string | undefined
}

/** How often the code of agents that wait or have failed is looked at, ms. */
const lookEveryMs = 1_000

/**
 * One `up`: keeps its processes running and shows how it goes, until somebody says stop. Agents stop before their hub, so
 * that what they have just committed still gets out.
 *
 * A process that ends with "do not start me again" ends the whole where it has never been ready: something is wrong with
 * how it was started. Later it is shown and left, and the others go on; it is tried again when its code is changed. Without
 * an agent left, the rest stops too.
 *
 * What signals mean is what they mean to each of its processes (see `stop-request.ts`), and is passed on to them. Only a
 * person's second word forces: a terminal that was closed says so by a signal, by an error of its output, or by both.
 */
export class Fleet implements UpkeepSink {
  readonly #call: Call
  readonly #plan: FleetPlan
  readonly #members: readonly (FleetMember & { readonly upkeep: Upkeep })[]
  readonly #presenter: Presenter
  readonly #health: HealthFeeds
  readonly #terminal = new OwnTerminal()
  /** Those that are not kept running any more, in their order, each with why. */
  readonly #over = new Map<Upkeep, PerduraError | undefined>()
  readonly #ended = Promise.withResolvers<void>()
  #error: Error | undefined
  #stopping = false
  #told = false
  #hurried = false

  constructor(call: Call, plan: FleetPlan) {
    this.#call = call
    this.#plan = plan
    this.#health = new HealthFeeds({
      home: call.home,
      log: noteLog(call),
      settings: () => plan.settings.current,
    })
    let agents = 0
    this.#members = plan.members.map((member) => {
      const upkeep = new Upkeep(member, plan.settings, this, this.#health)
      const key = member.kind === 'hub' ? 'h' : String((agents += 1))
      return { upkeep, model: upkeep.model, kind: member.kind, key }
    })
    this.#presenter =
      process.stdout.isTTY && !call.output.json
        ? new ScreenPresenter(call, this.#members, plan.hubUrl, {
            kill: (key) => this.#kill(key),
            stop: () => this.#toldToStop('q'),
            quit: () => this.#quit(),
          })
        : new LinePresenter(call, this.#members)
  }

  async run(): Promise<number> {
    const signals = {
      SIGINT: () => this.#toldToStop('SIGINT'),
      SIGTERM: () => this.#toldToStop('SIGTERM'),
      SIGHUP: () => (this.#terminal.isGone ? this.#stop('SIGHUP') : this.#reload()),
      SIGQUIT: () => this.#quit(),
    }
    for (const [signal, act] of Object.entries(signals)) process.on(signal, act)
    this.#call.onBrokenPipe = () => this.#stop('broken pipe')
    this.#presenter.open()
    const looking = setInterval(() => this.#look(), lookEveryMs)
    try {
      for (const { upkeep } of this.#members) upkeep.start()
      await this.#ended.promise
    } finally {
      this.#presenter.close()
      this.#health.close()
      clearInterval(looking)
      for (const [signal, act] of Object.entries(signals)) process.off(signal, act)
    }
    const error = this.#error ?? [...this.#over.values()].find((failure) => failure !== undefined)
    if (error !== undefined) throw error
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
      case 'reload':
        this.#reload()
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
    const { failure } = upkeep
    // Of one that has failed and is stopped with the others, why it failed is what there is to say.
    if (!this.#over.has(upkeep)) this.#over.set(upkeep, failure)
    // Whoever waits for this agent to be stopped need not wait for the others.
    this.#recordOf(upkeep)?.release()
    const hopeless = failure !== undefined && !upkeep.wasReady
    const idle = this.#agents().every((agent) => this.#over.has(agent))
    if (!this.#stopping && (hopeless || idle)) this.#stop(failure?.code ?? 'no agent is left')
    if (this.#members.every((member) => this.#over.has(member.upkeep))) this.#ended.resolve()
  }

  #agents(): Upkeep[] {
    return this.#members.filter(({ kind }) => kind === 'agent').map(({ upkeep }) => upkeep)
  }

  #hubs(): Upkeep[] {
    return this.#members.filter(({ kind }) => kind === 'hub').map(({ upkeep }) => upkeep)
  }

  #kill(key: string): void {
    // The first agent also has the key that it has alone.
    const wanted = key === 'k' ? '1' : key
    this.#members.find((member) => member.key === wanted)?.upkeep.kill()
  }

  #recordOf(upkeep: Upkeep): SupervisorRecord | undefined {
    return this.#plan.records[this.#agents().indexOf(upkeep)]
  }

  /** A person's word: the second time nothing is waited for. */
  #toldToStop(how: string): void {
    this.#stop(how)
    if (this.#told) for (const { upkeep } of this.#members) if (!this.#over.has(upkeep)) upkeep.force()
    this.#told = true
  }

  /** All stop now, and what agents are at goes on at the next start. */
  #quit(): void {
    this.#hurried = true
    this.#stop('SIGQUIT')
    const agents = this.#agents().filter((agent) => !this.#over.has(agent))
    for (const upkeep of agents.length > 0 ? agents : this.#hubs()) upkeep.hurry()
  }

  /** From the first time on; a second time it changes nothing. */
  #stop(reason: string): void {
    if (this.#stopping) return
    this.#stopping = true
    if (this.#members.some(({ upkeep }) => !this.#over.has(upkeep))) this.#presenter.stopping(reason)
    this.#stopAll().catch((error: unknown) => {
      this.#error = toError(error)
      this.#ended.resolve()
    })
  }

  async #stopAll(): Promise<void> {
    for (const upkeeps of [this.#agents(), this.#hubs()]) {
      const rest = upkeeps.filter((upkeep) => !this.#over.has(upkeep))
      if (this.#hurried) for (const upkeep of rest) upkeep.hurry()
      await Promise.all(rest.map((upkeep) => upkeep.stop()))
    }
  }

  #reload(): void {
    const problem = this.#plan.settings.reload()
    this.#presenter.said(problem?.message ?? 'the settings were read again')
    for (const { upkeep } of this.#members) upkeep.reload()
    this.#look()
  }

  #look(): void {
    for (const { upkeep } of this.#members) if (upkeep.takeMended()) void this.#retry(upkeep)
  }

  async #retry(upkeep: Upkeep): Promise<void> {
    if (this.#over.has(upkeep)) {
      try {
        await this.#recordOf(upkeep)?.claim(upkeep.model.agent)
      } catch (error) {
        // While it waited here, somebody has started it elsewhere.
        this.#presenter.said(toError(error).message)
        return
      }
    }
    if (this.#stopping) {
      if (this.#over.has(upkeep)) this.#recordOf(upkeep)?.release()
      return
    }
    this.#over.delete(upkeep)
    this.#presenter.said(`the code of ${upkeep.model.agent} has changed: it is tried again`)
    upkeep.retry()
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
