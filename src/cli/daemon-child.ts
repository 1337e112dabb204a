import { setTimeout as delay } from 'node:timers/promises'
import type { ChildAction } from '../daemon/children.ts'
import { errorCodes, PerduraError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import type { Call } from './call.ts'
import { agentOf } from './child-name.ts'
import { askDaemon, findDaemon } from './daemon-client.ts'
import { launchJson, type Launch } from './launch.ts'

const pollMs = 25
/** So many ends without having been ready, and whoever waits is told: the daemon goes on trying. */
const failuresMax = 3

/** A child as its daemon shows it, as far as commands need it. */
export interface ShownChild {
  readonly child: string
  readonly state: string
  readonly wanted: boolean
  readonly pid: number | null
  readonly safeMode: boolean
  /** So many processes of it have ended. */
  readonly ends: number
  /** How the last one ended, in words; undefined where none has. */
  readonly lastEnd: string | undefined
  /** Why the last one ended before it was ready, as it said itself. */
  readonly failure: { readonly code: string; readonly message: string } | undefined
}

/** What the daemon says of a child; undefined where it keeps none of that name, or no daemon runs. */
export async function showChild(call: Call, child: string): Promise<ShownChild | undefined> {
  if (findDaemon(call) === undefined) return undefined
  try {
    return shownChild(await askDaemon(call, { method: 'GET', path: pathOf(child) }))
  } catch (error) {
    if (error instanceof PerduraError && error.code === 'ERR_NO_SUCH_CHILD') return undefined
    throw error
  }
}

export async function listChildren(call: Call): Promise<readonly ShownChild[]> {
  const { children } = await askDaemon(call, { method: 'GET', path: '/v1/children' })
  return Array.isArray(children) ? children.filter(isJsonObject).map(shownChild) : []
}

export async function tellChild(
  call: Call,
  child: string,
  action: ChildAction,
  launch?: Launch,
): Promise<void> {
  const body: JsonObject = launch === undefined ? {} : { launch: launchJson(launch) }
  await askDaemon(call, { method: 'POST', path: `${pathOf(child)}/${action}`, body })
}

/**
 * Resolves when the child is ready, in another process than `not` where that is given. Throws why it does not become so: what it
 * said itself where it will not be started again or fails again and again, ERR_TIMEOUT else.
 */
export async function untilReady(
  call: Call,
  child: string,
  options: {
    /** How it was when it was asked to start or restart. */
    readonly before: ShownChild | undefined
    readonly timeoutMs: number
    readonly anew: boolean
  },
): Promise<ShownChild> {
  const { before, timeoutMs, anew } = options
  const oldPid = anew ? (before?.pid ?? null) : null
  const endsAllowed = (before?.ends ?? 0) + (oldPid === null ? 0 : 1) + failuresMax
  const title = titleOf(child)
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const shown = await showChild(call, child)
    if (shown === undefined) throw new PerduraError('ERR_NOT_RUNNING', `the daemon lets go of ${title}`)
    const { state, pid, ends, wanted } = shown
    if (state === 'running' && (oldPid === null || pid !== oldPid)) return shown
    if (state === 'failed' || state === 'finished') throw whyNot(title, shown)
    if (!wanted) throw new PerduraError('ERR_NOT_RUNNING', `${title} was stopped by somebody else meanwhile`)
    if (state === 'backing-off' && ends >= endsAllowed) throw whyNot(title, shown)
    if (performance.now() > deadlineMs) {
      throw new PerduraError(
        'ERR_TIMEOUT',
        `${title} is not ready after ${Math.round(timeoutMs / 1_000)} s; the daemon goes on trying`,
      )
    }
    await delay(pollMs)
  }
}

/** Resolves when there is no process of it, and none is wanted. */
export async function untilStopped(call: Call, child: string, timeoutMs: number): Promise<void> {
  const title = titleOf(child)
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const shown = await showChild(call, child)
    if (shown === undefined || shown.state === 'stopped') return
    if (shown.wanted)
      throw new PerduraError('ERR_NOT_RUNNING', `${title} was started by somebody else meanwhile`)
    if (performance.now() > deadlineMs) {
      throw new PerduraError(
        'ERR_TIMEOUT',
        `${title} is still stopping (process ${shown.pid ?? 'unknown'}): wait longer with --timeout`,
      )
    }
    await delay(pollMs)
  }
}

function whyNot(title: string, { failure, lastEnd = 'nobody knows why', state }: ShownChild): PerduraError {
  const code = errorCodes.find((known) => known === failure?.code)
  if (failure !== undefined && code !== undefined) return new PerduraError(code, failure.message)
  const then = state === 'backing-off' ? '; the daemon goes on trying' : ''
  return new PerduraError(
    'ERR_NOT_RUNNING',
    `${title} does not stay up (${lastEnd})${then}: its log says more`,
  )
}

function shownChild(value: JsonObject): ShownChild {
  const { child, state, wanted, pid, mode, ends_by_reason: ends, failure, last_ends: lastEnds } = value
  const last = Array.isArray(lastEnds) ? (lastEnds.at(-1) as Json | undefined) : undefined
  return {
    child: textOf(child),
    state: textOf(state),
    wanted: wanted === 'running',
    pid: typeof pid === 'number' ? pid : null,
    safeMode: mode === 'safe',
    ends: isJsonObject(ends)
      ? Object.values(ends).reduce<number>((sum, count) => sum + (typeof count === 'number' ? count : 0), 0)
      : 0,
    lastEnd: isJsonObject(last) ? describeLast(last) : undefined,
    failure: isJsonObject(failure)
      ? { code: textOf(failure['code']), message: textOf(failure['message']) }
      : undefined,
  }
}

function describeLast({ reason, code, signal }: JsonObject): string {
  const how = typeof signal === 'string' ? signal : typeof code === 'number' ? `exit code ${code}` : ''
  return [textOf(reason), how].filter((text) => text !== '').join(', ')
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : ''
}

function titleOf(child: string): string {
  return agentOf(child) ?? 'the hub'
}

function pathOf(child: string): string {
  return `/v1/children/${encodeURIComponent(child)}`
}
