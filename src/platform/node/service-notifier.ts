import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { toError } from '../../errors.ts'
import type { Log } from '../log.ts'
import { serviceDescriptorName, type ServiceNotifier } from '../service-notifier.ts'

/** Of systemd-notify, which waits until the manager has read what it sent. */
const patienceMs = 10_000
/** The first descriptor that systemd hands over; see sd_listen_fds(3). */
const descriptorsStart = 3

/** What is only of interest until it is told anew, so that of several the last is enough. */
const fleeting = new Set(['STATUS', 'WATCHDOG'])

/**
 * Undefined where nobody wants to be told. Takes what it is asked by out of the environment, so that children (agents, and the
 * programs that these run) are not taken for the service.
 *
 * Node cannot send a Unix datagram. But it can write to a descriptor, and a unit of ours has systemd hand over one that is
 * connected already, where systemd can (`OpenFile=`, 253 and newer, not for services of a person): then this very process
 * is the sender, and nobody else is listened to. Elsewhere `systemd-notify` is run for each message (13 ms, 4 ms of CPU).
 */
export function takeServiceNotifier(
  log: Log,
  environment: NodeJS.ProcessEnv = process.env,
): ServiceNotifier | undefined {
  const { NOTIFY_SOCKET: socket = '', WATCHDOG_USEC: watchdogUs, WATCHDOG_PID: watchdogPid } = environment
  const descriptor = handedOver(environment)
  for (const name of [
    'NOTIFY_SOCKET',
    'WATCHDOG_USEC',
    'WATCHDOG_PID',
    'LISTEN_FDS',
    'LISTEN_PID',
    'LISTEN_FDNAMES',
  ])
    delete environment[name]
  if (socket === '') return undefined
  const isWatched = watchdogPid === undefined || watchdogPid === String(process.pid)
  const watchdogMs = Number(watchdogUs ?? 0) / 1_000
  const send = descriptor === undefined ? bySystemdNotify(socket, environment) : byDescriptor(descriptor)
  return {
    watchdogMs: isWatched && watchdogMs > 0 ? watchdogMs : undefined,
    tell: inOrder(send, log),
  }
}

type Send = (fields: Readonly<Record<string, string>>) => Promise<void>

function byDescriptor(descriptor: number): Send {
  // Not at once: a manager that does not read would hold up the event loop.
  return (fields) =>
    new Promise((resolve, reject) => {
      fs.write(descriptor, linesOf(fields).join('\n'), (error) =>
        error === null ? resolve() : reject(error),
      )
    })
}

function bySystemdNotify(socket: string, environment: NodeJS.ProcessEnv): Send {
  const path = `${environment['PATH'] ?? ''}:/usr/bin:/bin`
  return (fields) =>
    new Promise((resolve, reject) => {
      const options = {
        env: { NOTIFY_SOCKET: socket, PATH: path },
        timeout: patienceMs,
        killSignal: 'SIGKILL',
      } as const
      execFile('systemd-notify', linesOf(fields), options, (error) => {
        if (error === null) resolve()
        else reject(toError(error))
      })
    })
}

/** One at a time, since later ones may not overtake; of those that wait, what is only of the moment is put together. */
function inOrder(send: Send, log: Log): Send {
  const waiting: { fields: Record<string, string>; told: PromiseWithResolvers<void> }[] = []
  let sending = false
  let failing = false

  async function pump(): Promise<void> {
    sending = true
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      try {
        await send(next.fields)
        failing = false
      } catch (thrown) {
        if (!failing) log.warn('service:notify:failed', { error: toError(thrown) })
        failing = true
      }
      next.told.resolve()
    }
    sending = false
  }

  return async (fields) => {
    const last = waiting.at(-1)
    const isFleeting = (given: object): boolean => Object.keys(given).every((name) => fleeting.has(name))
    if (last !== undefined && isFleeting(last.fields) && isFleeting(fields)) {
      Object.assign(last.fields, fields)
      await last.told.promise
      return
    }
    const told = Promise.withResolvers<void>()
    waiting.push({ fields: { ...fields }, told })
    if (!sending) void pump()
    await told.promise
  }
}

function linesOf(fields: Readonly<Record<string, string>>): string[] {
  return Object.entries(fields).map(([name, value]) => `${name}=${value.replaceAll(/\s+/g, ' ')}`)
}

function handedOver(environment: NodeJS.ProcessEnv): number | undefined {
  if (environment['LISTEN_PID'] !== String(process.pid)) return undefined
  const names = (environment['LISTEN_FDNAMES'] ?? '').split(':')
  const index = names.indexOf(serviceDescriptorName)
  return index === -1 ? undefined : descriptorsStart + index
}
