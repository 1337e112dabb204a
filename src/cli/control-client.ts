import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCodes, PerduraError, type ErrorCode } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import type { HttpResponse } from '../platform/http.ts'
import { createNodeHttp } from '../platform/node/http-client.ts'
import type { AgentPaths } from '../runtime/home.ts'
import type { Call } from './call.ts'
import { viewProcess } from './look.ts'

export interface ControlRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: Json
}

/** Longest time for one answer, ms; the agent answers once it is on disk, which takes milliseconds. */
const attemptTimeoutMs = 10_000

// What nobody supervises may still be started again by whoever runs it.
const unsupervisedGraceMs = 3_000

/** Asks a running agent over its control socket. Rejects with what it answered, or with ERR_NOT_RUNNING. */
export async function askAgent(
  call: Call,
  paths: AgentPaths,
  request: ControlRequest,
  timeoutMs = attemptTimeoutMs,
): Promise<JsonObject> {
  const { record, state } = viewProcess(call, paths)
  if (record === undefined || state !== 'running') throw notRunning(call, paths)
  const response = await createNodeHttp().request(
    { socketPath: record.controlSocket },
    {
      method: request.method,
      path: request.path,
      headers: request.body === undefined ? {} : { 'content-type': 'application/json' },
      body: request.body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(request.body)),
    },
    { timeoutMs },
  )
  return readAnswer(response)
}

/**
 * Asks until it is answered. While the agent restarts the same request is made again: only for requests that may be
 * repeated, such as a message with its id. An agent that nobody is about to start is not waited for.
 */
export async function askUntilAnswered(
  call: Call,
  paths: AgentPaths,
  request: ControlRequest,
  deadlineMs: number,
): Promise<JsonObject> {
  const startedMs = performance.now()
  let pauseMs = 25
  let told = false
  for (;;) {
    const restMs = deadlineMs - performance.now()
    try {
      return await askAgent(call, paths, request, Math.max(1, Math.min(attemptTimeoutMs, restMs)))
    } catch (error) {
      if (!(error instanceof PerduraError && error.retryable)) throw error
      const { state, supervised } = viewProcess(call, paths)
      const waitedMs = performance.now() - startedMs
      const hopeless =
        state !== 'running' && !supervised && (state === 'stopped' || waitedMs > unsupervisedGraceMs)
      if (hopeless) throw notRunning(call, paths)
      if (performance.now() + pauseMs >= deadlineMs) throw error
      if (!told && waitedMs > 500) {
        call.output.note('waiting: the agent does not answer yet')
        told = true
      }
    }
    await delay(pauseMs)
    pauseMs = Math.min(250, pauseMs * 1.5)
  }
}

export function notRunning(call: Call, paths: AgentPaths): PerduraError {
  const name = basename(paths.folder)
  if (viewProcess(call, paths).supervised) {
    return new PerduraError(
      'ERR_NOT_RUNNING',
      `${name} has no process at this moment; what keeps it running starts it again: ${call.program} why ${name} and its own output say more`,
    )
  }
  return new PerduraError(
    'ERR_NOT_RUNNING',
    `${name} is not running; start it with: ${call.program} start ${name}`,
  )
}

/** The document of an answer; throws what it says went wrong. */
export function readAnswer(response: HttpResponse): JsonObject {
  let body: Json
  try {
    body = JSON.parse(Buffer.from(response.body).toString('utf8')) as Json
  } catch {
    body = null
  }
  if (response.status >= 200 && response.status < 300 && isJsonObject(body)) return body
  const fields = isJsonObject(body) ? body : {}
  const code = errorCodes.find((known) => known === fields['code']) ?? codeForStatus(response.status)
  const message =
    typeof fields['error'] === 'string' ? fields['error'] : `the answer has status ${response.status}`
  throw new PerduraError(code, message)
}

function codeForStatus(status: number): ErrorCode {
  if (status === 413) return 'ERR_PAYLOAD_TOO_LARGE'
  return status === 503 ? 'ERR_NOT_RUNNING' : 'ERR_INTERNAL'
}
