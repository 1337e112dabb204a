import { join } from 'node:path'
import { Notifier } from '../health/notifier.ts'
import type { ChildExit } from '../platform/child.ts'
import type { Log } from '../platform/log.ts'
import { createNodeClock } from '../platform/node/clock.ts'
import { createNodeCommandRunner } from '../platform/node/command-runner.ts'
import { createNodeHttp } from '../platform/node/http-client.ts'
import type { HomeSettings } from '../settings/settings.ts'
import type { ChildState } from '../supervisor/child-state.ts'
import type { EndReason } from '../supervisor/exits.ts'
import type { ChildPolicy } from '../supervisor/policy.ts'
import { policyOf } from './child-policy.ts'
import { agentOf } from './child-name.ts'
import { HealthFeed } from './health-feed.ts'
import { isProcessMessage } from './process-messages.ts'

export interface HealthFeedsOptions {
  readonly home: string
  readonly log: Log
  readonly settings: () => HomeSettings
  /** As a child is kept running now, with what its start has asked for; else the settings hold. */
  readonly policyOf?: (child: string) => ChildPolicy | undefined
}

const tickMs = 1_000
/** Of a webhook, of which only the status counts. */
const webhookAnswerBytesMax = 65_536

/** The histories of all children that one supervisor watches, by the names that it has for them: `agent:Ada`, `hub`. */
export class HealthFeeds {
  readonly #options: HealthFeedsOptions
  readonly #feeds = new Map<string, { readonly feed: HealthFeed; readonly notifier: Notifier }>()
  readonly #timer: NodeJS.Timeout
  readonly #http = createNodeHttp({ responseBytesMax: webhookAnswerBytesMax })
  readonly #commands = createNodeCommandRunner()
  readonly #clock = createNodeClock()
  #closed = false

  constructor(options: HealthFeedsOptions) {
    this.#options = options
    this.#timer = setInterval(() => {
      for (const { feed } of this.#feeds.values()) feed.tick()
    }, tickMs)
    this.#timer.unref()
  }

  entered(child: string, state: ChildState): void {
    this.#feed(child)?.entered(state)
  }

  exited(child: string, exit: ChildExit, reason: EndReason): void {
    this.#feed(child)?.exited(exit, reason)
  }

  heard(child: string, message: unknown): void {
    if (isProcessMessage(message) && message.type === 'beat') this.#feed(child)?.heard(message)
  }

  forget(child: string): void {
    const known = this.#feeds.get(child)
    known?.feed.close()
    known?.notifier.close()
    this.#feeds.delete(child)
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    for (const child of this.#feeds.keys()) this.forget(child)
  }

  #feed(child: string): HealthFeed | undefined {
    if (this.#closed) return undefined
    const known = this.#feeds.get(child)
    if (known !== undefined) return known.feed
    const { home, log } = this.#options
    const agent = agentOf(child)
    const notifier = new Notifier({
      clock: this.#clock,
      http: this.#http,
      commands: this.#commands,
      log,
      settings: () => this.#own(agent).notify,
    })
    const feed = new HealthFeed({
      title: agent ?? 'hub',
      folder: agent === undefined ? join(home, 'hub') : join(home, 'agents', agent),
      clock: this.#clock,
      policy: () => this.#options.policyOf?.(child) ?? policyOf(this.#own(agent).supervision),
      notifier,
      log,
    })
    this.#feeds.set(child, { feed, notifier })
    return feed
  }

  #own(agent: string | undefined): ReturnType<HomeSettings['of']> {
    const settings = this.#options.settings()
    return agent === undefined ? settings.base : settings.of(agent)
  }
}
