import { alarmOf, eventOf } from '../health/alarm.ts'
import type { Standing } from '../health/history/entries.ts'
import { HistoryRecorder, type SampleFigures } from '../health/history/recorder.ts'
import type { Notifier } from '../health/notifier.ts'
import type { JsonObject } from '../json.ts'
import type { ChildExit } from '../platform/child.ts'
import type { AppendFile } from '../platform/append-file.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { createAppendFile } from '../platform/node/append-file.ts'
import { createMarkFile } from '../platform/node/mark-file.ts'
import { redactText } from '../platform/redact.ts'
import type { ChildState } from '../supervisor/child-state.ts'
import { isFailure, type EndReason } from '../supervisor/exits.ts'
import type { ChildPolicy } from '../supervisor/policy.ts'
import { describeEnd } from './describe-end.ts'
import { historyFiles } from './history-files.ts'
import type { Beat } from './process-messages.ts'

export interface HealthFeedOptions {
  /** As a person names it. */
  readonly title: string
  readonly folder: string
  readonly clock: Pick<Clock, 'now' | 'monotonicMs'>
  readonly policy: () => ChildPolicy
  readonly notifier: Notifier
  readonly log: Log
}

/**
 * What a supervisor sees of one child, as history: when it was up, down or stopped on purpose, and why; and what a person is to
 * be told. Down begins where it really did: with the last beat of a process that hung, with the end of one that was killed;
 * it lasts until the next one is ready.
 */
export class HealthFeed {
  readonly #options: HealthFeedOptions
  readonly #recorder: HistoryRecorder
  #state: ChildState = { name: 'stopped' }
  #beat: Beat | undefined
  #beatMs: number | undefined
  #turnsDone: number | undefined
  #downSinceMs: number | undefined
  /** Of the process before, until the next one is ready. */
  #lastEnd: string | undefined

  constructor(options: HealthFeedOptions) {
    this.#options = options
    const { transitions, samples, mark } = historyFiles(options.folder)
    const files = { transitions: createAppendFile(transitions), samples: createAppendFile(samples) }
    for (const [name, file] of Object.entries(files)) tellOfExcess(options, name, file)
    this.#recorder = new HistoryRecorder({
      clock: options.clock,
      ...files,
      mark: createMarkFile(mark),
    })
  }

  entered(state: ChildState): void {
    this.#state = state
    if (state.name !== 'running') this.#beat = undefined
    switch (state.name) {
      case 'running':
        this.#running(state.mode)
        break
      case 'starting':
        // One that was taken over was at work all the while: what it is, it says itself.
        if (state.mode === 'safe') this.#down(safeMode)
        else if (!state.adopted) this.#comes('it is starting')
        break
      case 'queued':
        this.#comes('it is to be started')
        break
      case 'backing-off':
        this.#down(this.#lastEnd ?? 'it is to be started')
        break
      case 'killing': {
        // Nothing was heard of it since its last beat.
        const sinceMs = state.reason === 'hung' ? this.#beatMs : undefined
        this.#down(this.#describe({ code: null, signal: 'SIGKILL' }, state.reason), { sinceMs })
        break
      }
      case 'failed':
        this.#down(this.#lastEnd ?? 'it is not to be started again')
        break
      case 'restarting':
        // Until its end it is up: it finishes what it does.
        break
      case 'finished':
        // What ended as it should is missed by nobody.
        if (isMissed(state.reason)) this.#down(this.#lastEnd ?? this.#describe(state.exit, state.reason))
        else this.#rest()
        break
      case 'stopping':
      case 'stopped':
        this.#rest()
        break
      case 'left':
        break
    }
    this.#alarm()
  }

  exited(exit: ChildExit, reason: EndReason): void {
    this.#lastEnd = this.#describe(exit, reason)
    this.#beat = undefined
    this.#turnsDone = undefined
    if (this.#state.name === 'stopping' || this.#state.name === 'stopped') return
    const sinceMs = reason === 'hung' ? this.#beatMs : undefined
    this.#down(this.#lastEnd, { sinceMs, failure: isFailure(reason) })
  }

  heard(beat: Beat): void {
    this.#beat = beat
    this.#beatMs = this.#options.clock.monotonicMs()
    if (this.#state.name !== 'running' || this.#state.mode === 'safe') return
    const { state, reasons, notReady } = beat.health
    // Degraded is up; unhealthy is down where it says itself that it takes nothing in, or handles nothing.
    if (state === 'unhealthy' && notReady.length > 0)
      this.#stand({ state: 'down', cause: redactText(notReady.join('; ')), health: state })
    else this.#stand({ state: 'up', cause: redactText(reasons[0]?.text ?? ''), health: state })
    this.#alarm()
  }

  /** Once a second. */
  tick(): void {
    this.#recorder.tick(() => this.#figures())
    this.#alarm()
  }

  close(): void {
    this.#recorder.close()
  }

  /** It is on its way up. Where nobody had it up before, nothing is missed yet: that begins when it was ready, or failed. */
  #comes(cause: string): void {
    const stood = this.#recorder.standing?.state ?? this.#recorder.before
    if (this.#lastEnd === undefined && (stood === undefined || stood === 'stopped'))
      this.#stand({ state: 'stopped', cause, health: null })
    else this.#down(this.#lastEnd ?? cause)
  }

  #running(mode: 'normal' | 'safe'): void {
    if (mode === 'safe') {
      this.#down(safeMode)
      return
    }
    this.#lastEnd = undefined
    // How it finds itself, its first beat says.
    this.#stand({ state: 'up', cause: '', health: null })
  }

  #rest(): void {
    this.#lastEnd = undefined
    this.#stand({ state: 'stopped', cause: 'it was stopped', health: null })
  }

  #down(
    cause: string,
    options: { readonly sinceMs?: number | undefined; readonly failure?: boolean } = {},
  ): void {
    this.#stand({ state: 'down', cause, health: null }, options)
  }

  #stand(
    standing: Standing,
    { sinceMs, failure = false }: { readonly sinceMs?: number | undefined; readonly failure?: boolean } = {},
  ): void {
    const { clock } = this.#options
    if (standing.state !== 'down') this.#downSinceMs = undefined
    else this.#downSinceMs ??= sinceMs ?? clock.monotonicMs()
    this.#recorder.stand(standing, { failure, ...(sinceMs !== undefined && { sinceMs }) })
  }

  #alarm(): void {
    const { clock, notifier, title } = this.#options
    const { standing, told } = this.#recorder
    if (standing === undefined || this.#state.name === 'left') return
    const downMs = this.#downSinceMs === undefined ? 0 : clock.monotonicMs() - this.#downSinceMs
    const safeModeOn = 'mode' in this.#state && this.#state.mode === 'safe'
    const ended = this.#state.name === 'finished' && isMissed(this.#state.reason)
    const failed = this.#state.name === 'failed' || ended
    const alarm = alarmOf({ standing, downMs, safeMode: safeModeOn, failed }, told)
    const event = eventOf(told, alarm)
    if (event === undefined) return
    this.#recorder.tell(alarm)
    // Somebody has stopped it, and knows how it was.
    if (standing.state === 'stopped') return
    const notice: JsonObject = {
      event,
      agent: title,
      at: new Date(clock.now()).toISOString(),
      state: standing.state === 'up' ? (standing.health ?? 'healthy') : 'down',
      cause: standing.cause,
      reasons: (this.#beat?.health.reasons ?? []).map(({ check, state, text }) => ({
        check,
        state,
        text: redactText(text),
      })),
      hint: `perdura health ${title}`.trim(),
    }
    notifier.tell(notice)
  }

  #figures(): SampleFigures | undefined {
    const beat = this.#beat
    if (beat === undefined) return undefined
    const before = this.#turnsDone ?? beat.turnsDone
    this.#turnsDone = beat.turnsDone
    return {
      rss: beat.rssBytes,
      loop: Math.round(beat.loopDelayMs),
      inbox: beat.inbox,
      turns: Math.max(0, beat.turnsDone - before),
    }
  }

  #describe(exit: ChildExit, reason: EndReason): string {
    return redactText(describeEnd(exit, reason, this.#options.policy()))
  }
}

const safeMode = 'it is in safe mode'

/** It is set aside with the next line, and what is at its end is still read. */
function tellOfExcess(
  { title, log }: HealthFeedOptions,
  file: string,
  { passedOverBytes }: AppendFile,
): void {
  if (passedOverBytes > 0) log.warn('health:history:cut', { agent: title, file, passedOverBytes })
}

/** Whether somebody who relies on it has to be told of such an end, where no start follows. */
function isMissed(reason: EndReason): boolean {
  return reason === 'memory' || (isFailure(reason) && reason !== 'exited')
}
