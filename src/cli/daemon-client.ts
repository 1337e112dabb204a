import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { protocolHeader } from '../daemon/control.ts'
import { daemonPaths } from '../daemon/paths.ts'
import { controlProtocol, runningDaemon, type DaemonRecord } from '../daemon/record.ts'
import { errorCodes, PerduraError } from '../errors.ts'
import type { Json, JsonObject } from '../json.ts'
import { createNodeHttp } from '../platform/node/http-client.ts'
import {
  boundOutputFile,
  openOutputFile,
  readOutputFrom,
  sizeOfOutput,
} from '../platform/node/output-file.ts'
import { unwritable } from '../platform/unwritable.ts'
import type { Call } from './call.ts'
import { readAnswer } from './control-client.ts'
import { programArguments, programEnvironment } from './own-program.ts'

export interface DaemonRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: Json
}

/** Longest time for one answer, ms: what takes long is begun, and looked for. */
const answerTimeoutMs = 10_000
const startTimeoutMs = 20_000
const pollMs = 20

/** The daemon of this home, by its record and the process table; undefined where none runs. */
export function findDaemon(call: Call): DaemonRecord | undefined {
  return runningDaemon(call.disk, call.processes, daemonPaths(call.home))
}

/**
 * Asks the daemon of this home. Throws what it answered; ERR_NOT_RUNNING where there is none, ERR_DAEMON_PROTOCOL where it is of
 * another version that is spoken to differently.
 */
export async function askDaemon(
  call: Call,
  request: DaemonRequest,
  timeoutMs = answerTimeoutMs,
): Promise<JsonObject> {
  const daemon = findDaemon(call)
  if (daemon === undefined) throw noDaemon(call)
  const response = await createNodeHttp().request(
    { socketPath: daemon.controlSocket },
    {
      method: request.method,
      path: request.path,
      headers: {
        [protocolHeader]: String(controlProtocol),
        ...(request.body !== undefined && { 'content-type': 'application/json' }),
      },
      body: request.body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(request.body)),
    },
    { timeoutMs },
  )
  return readAnswer(response)
}

function noDaemon(call: Call): PerduraError {
  return new PerduraError(
    'ERR_NOT_RUNNING',
    `no daemon runs in ${call.home}; start it with: ${call.hint('perdura daemon start')}`,
  )
}

export interface StartedDaemon {
  readonly daemon: DaemonRecord
  /** False where it ran already. */
  readonly started: boolean
}

/**
 * The daemon of this home, which is started in the background where none runs. Resolves when it answers; throws what keeps it
 * from that, and says where its log is.
 */
export async function ensureDaemon(call: Call, timeoutMs = startTimeoutMs): Promise<StartedDaemon> {
  const running = await runningOrGone(call, timeoutMs)
  if (running !== undefined) return { daemon: running, started: false }
  const byService = await startByService(call, timeoutMs)
  if (byService !== undefined) return byService
  const paths = daemonPaths(call.home)
  const deadlineMs = performance.now() + timeoutMs
  const from = sizeOfOutput(paths.output)
  const child = launch(call, paths.folder, paths.output)
  let ended: string | undefined
  child.once('error', (error) => (ended = error.message))
  child.once('exit', (code, signal) => (ended = `it ended with ${signal ?? `exit code ${code}`}`))
  child.unref()
  for (;;) {
    const daemon = findDaemon(call)
    // It may be another one: of several that are started at once, one stays.
    if (daemon !== undefined && (await answers(call, Math.max(1, deadlineMs - performance.now()))))
      return { daemon, started: daemon.pid === child.pid }
    if (ended !== undefined && daemon === undefined)
      throw failure(readOutputFrom(paths.output, from, 4_096), ended)
    if (performance.now() > deadlineMs) {
      throw new PerduraError(
        'ERR_TIMEOUT',
        `the daemon does not answer after ${Math.round(timeoutMs / 1_000)} s; its log is ${paths.log}`,
      )
    }
    await delay(pollMs)
  }

  function failure(output: string, how: string): PerduraError {
    // What it said itself, in the form in which a command says its error.
    const said = /^perdura: (ERR_\w+): (.+)$/m.exec(output)
    const code = errorCodes.find((known) => known === said?.[1]) ?? 'ERR_INTERNAL'
    const message = said?.[2] ?? (output.trim().split('\n').at(-1) || how)
    return new PerduraError(code, `the daemon did not start: ${message} (its log: ${paths.log})`)
  }
}

/**
 * Where the daemon of this home is a service, it is its manager that starts it: a second daemon beside the service would keep
 * that from starting. Undefined where it is none.
 */
async function startByService(call: Call, timeoutMs: number): Promise<StartedDaemon | undefined> {
  const { findServiceOfHome, notYours } = await import('./service-of-home.ts')
  const service = await findServiceOfHome(call)
  if (service === undefined) return undefined
  if (!service.mayControl) throw notYours(call, service, 'start')
  await service.manager.check()
  await service.manager.start(timeoutMs)
  return { daemon: await untilAnswers(call, timeoutMs), started: true }
}

/** The next daemon of this home, which somebody else starts; ERR_TIMEOUT where it does not come. */
export async function untilAnswers(call: Call, timeoutMs: number): Promise<DaemonRecord> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const daemon = findDaemon(call)
    if (daemon !== undefined && (await answers(call, Math.max(1, deadlineMs - performance.now()))))
      return daemon
    if (performance.now() > deadlineMs) {
      throw new PerduraError(
        'ERR_TIMEOUT',
        `no daemon answers after ${Math.round(timeoutMs / 1_000)} s: ${call.hint('perdura service status')} says how its service is`,
      )
    }
    await delay(pollMs)
  }
}

/** The daemon that there is, once it answers; one that is about to end is waited for. */
async function runningOrGone(call: Call, timeoutMs: number): Promise<DaemonRecord | undefined> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const daemon = findDaemon(call)
    if (daemon === undefined || (await answers(call, Math.max(1, deadlineMs - performance.now()))))
      return daemon
    if (performance.now() > deadlineMs) throw silent(daemon)
    await delay(pollMs)
  }
}

/** It is safe to kill: what it keeps running goes on. */
function silent({ pid }: DaemonRecord): PerduraError {
  return new PerduraError(
    'ERR_TIMEOUT',
    `the daemon (process ${pid}) does not answer, or is still stopping: where it hangs, kill -9 ${pid} ends it, and perdura daemon start starts the next one; agents go on`,
    { details: { pid } },
  )
}

/** Ends the daemon; resolves when its process is gone. */
export async function endDaemon(
  call: Call,
  daemon: DaemonRecord,
  { keepAgents, timeoutMs }: { readonly keepAgents: boolean; readonly timeoutMs: number },
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  try {
    try {
      await askDaemon(call, { method: 'POST', path: '/v1/stop', body: { keep_agents: keepAgents } })
    } catch (error) {
      if (error instanceof PerduraError && error.code === 'ERR_HTTP_UNREACHABLE') throw silent(daemon)
      throw error
    }
  } catch (error) {
    // It has ended in this very moment; or it hangs, which whoever waits for it is told.
    const { code } = error as { code?: unknown }
    const isGone = call.processes.identify(daemon.pid) !== daemon.identity
    if (!isGone || (code !== 'ERR_HTTP_UNREACHABLE' && code !== 'ERR_NOT_RUNNING')) throw error
  }
  while (call.processes.identify(daemon.pid) === daemon.identity) {
    if (performance.now() > deadlineMs) {
      throw new PerduraError(
        'ERR_TIMEOUT',
        `the daemon (process ${daemon.pid}) is still stopping: wait longer with --timeout`,
      )
    }
    await delay(pollMs)
  }
}

/** Whether it answers, and means to stay. */
async function answers(call: Call, timeoutMs: number): Promise<boolean> {
  try {
    const { stopping } = await askDaemon(call, { method: 'GET', path: '/v1/daemon' }, timeoutMs)
    return stopping !== true
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (code === 'ERR_HTTP_UNREACHABLE' || code === 'ERR_NOT_RUNNING') return false
    throw error
  }
}

function launch(call: Call, folder: string, output: string): ReturnType<typeof spawn> {
  let descriptor: number
  try {
    call.disk.makeFolder(folder)
    boundOutputFile(output)
    descriptor = openOutputFile(output)
  } catch (cause) {
    throw unwritable(folder, cause)
  }
  try {
    return spawn(process.execPath, programArguments('daemon', ['daemon', 'run', '--home', call.home]), {
      // Not where somebody happens to be: the folder could not be unmounted or removed.
      cwd: call.home,
      env: { ...process.env, ...programEnvironment() },
      stdio: ['ignore', descriptor, descriptor],
      detached: true,
      windowsHide: true,
    })
  } finally {
    fs.closeSync(descriptor)
  }
}
