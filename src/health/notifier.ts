import { formatDuration } from '../duration.ts'
import { PerduraError, toError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import { sleep, type Clock } from '../platform/clock.ts'
import type { CommandRunner } from '../platform/command-runner.ts'
import type { Http, HttpAddress } from '../platform/http.ts'
import type { Log } from '../platform/log.ts'
import type { NotifySettings } from '../settings/settings.ts'

export interface NotifierOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'setTimer'>
  readonly http: Pick<Http, 'request'>
  readonly commands: CommandRunner
  readonly log: Log
  /** Asked for with every notice, since they may be read again. */
  readonly settings: () => NotifySettings
}

const attemptsMax = 3
const retryMs = 2_000

/**
 * Tells a person, by a command and by a webhook, whichever is set. One notice at a time is on its way, and the next one not
 * before `every` has passed; of those that come in between, the last one is told. Nobody waits for it, and what fails is logged
 * without the address, which may be a secret.
 */
export class Notifier {
  readonly #options: NotifierOptions
  readonly #ended = new AbortController()
  #next: JsonObject | undefined
  #busy = false
  #lastMs = -Infinity

  constructor(options: NotifierOptions) {
    this.#options = options
  }

  tell(notice: JsonObject): void {
    const { command, webhook } = this.#options.settings()
    if (command === undefined && webhook === undefined) return
    this.#next = notice
    if (!this.#busy) void this.#work()
  }

  /** What is on its way is called off. */
  close(): void {
    this.#ended.abort()
  }

  async #work(): Promise<void> {
    const { clock, settings } = this.#options
    const { signal } = this.#ended
    this.#busy = true
    while (this.#next !== undefined && !signal.aborted) {
      await sleep(clock, Math.max(0, this.#lastMs + settings().everyMs - clock.monotonicMs()), signal)
      const notice = this.#next
      this.#next = undefined
      if (notice === undefined || signal.aborted) break
      this.#lastMs = clock.monotonicMs()
      await Promise.all([this.#run(notice), this.#post(notice)])
    }
    this.#busy = false
  }

  async #run(notice: JsonObject): Promise<void> {
    const { commands, log, settings } = this.#options
    const { command, timeoutMs } = settings()
    if (command === undefined) return
    const input = `${JSON.stringify(notice)}\n`
    const end = await commands.run(command, { input, timeoutMs, signal: this.#ended.signal })
    const fields = { by: 'command', event: notice['event'] ?? null, agent: notice['agent'] ?? null }
    if (end.kind === 'exited' && end.code === 0) log.info('notify:notice:sent', fields)
    else log.error('notify:notice:failed', { ...fields, reason: describeEnd(end, timeoutMs) })
  }

  async #post(notice: JsonObject): Promise<void> {
    const { clock, log, settings } = this.#options
    const { webhook } = settings()
    if (webhook === undefined) return
    const fields = { by: 'webhook', event: notice['event'] ?? null, agent: notice['agent'] ?? null }
    let reason = ''
    for (let attempt = 1; attempt <= attemptsMax && !this.#ended.signal.aborted; attempt++) {
      if (attempt > 1) await sleep(clock, retryMs * 4 ** (attempt - 2), this.#ended.signal)
      const answer = await this.#attempt(webhook, notice)
      if (answer === undefined) {
        log.info('notify:notice:sent', { ...fields, attempt })
        return
      }
      reason = answer.reason
      if (!answer.again) break
    }
    log.error('notify:notice:failed', { ...fields, reason })
  }

  /** Undefined where it was taken. */
  async #attempt(
    webhook: string,
    notice: JsonObject,
  ): Promise<{ readonly reason: string; readonly again: boolean } | undefined> {
    const { http, settings } = this.#options
    const url = new URL(webhook)
    const body = Buffer.from(JSON.stringify(notice))
    try {
      const { status } = await http.request(
        addressOf(url),
        {
          method: 'POST',
          path: `${url.pathname}${url.search}`,
          headers: { 'content-type': 'application/json; charset=utf-8', host: url.host },
          body,
        },
        { timeoutMs: settings().timeoutMs, signal: this.#ended.signal },
      )
      return judge(status)
    } catch (thrown) {
      // Not its message, in which the address stands.
      const error = toError(thrown)
      const { reason: why, status } = error instanceof PerduraError ? error.details : {}
      // Nobody reads what it says: that it says too much changes nothing about what it has done.
      if (typeof status === 'number') return judge(status)
      return { reason: typeof why === 'string' ? why : 'failed', again: true }
    }
  }
}

/** Undefined where it was taken. */
function judge(status: number): { readonly reason: string; readonly again: boolean } | undefined {
  if (status >= 200 && status < 300) return undefined
  return { reason: `it answered ${status}`, again: status === 429 || status >= 500 }
}

function describeEnd(end: Awaited<ReturnType<CommandRunner['run']>>, timeoutMs: number): string {
  switch (end.kind) {
    case 'exited':
      return end.signal === null ? `it ended with exit code ${end.code}` : `it was ended by ${end.signal}`
    case 'timeout':
      return `it had not ended after ${formatDuration(timeoutMs)} and was killed`
    case 'failed':
      return `it could not be started: ${end.reason}`
  }
}

function addressOf({ hostname, port, protocol }: URL): HttpAddress {
  const tls = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  return { host, port: port === '' ? (tls ? 443 : 80) : Number(port), tls }
}
