import type { ServiceState } from '../daemon/service/service-manager.ts'
import type { Service } from './service-choice.ts'

/** One thing in which the installed file is not what would be installed now. */
export interface Drift {
  readonly what:
    | 'node-gone'
    | 'program-gone'
    | 'node'
    | 'program'
    | 'stop-timeout'
    | 'session'
    | 'content'
    | 'stale'
  readonly text: string
}

/** `now` is what would be installed; the account and the home are the installed ones. */
export function driftOf(service: Service, installed: string, now: string): Drift[] {
  const { host, manager } = service
  const [old, fresh] = [manager.read(installed), manager.read(now)]
  const found: Drift[] = []
  for (const [part, title] of [
    ['node', 'the Node'],
    ['program', 'the Perdura'],
  ] as const) {
    const [before, after] = [old?.[part], fresh?.[part]]
    if (before === undefined) continue
    if (!host.exists(before))
      found.push({ what: `${part}-gone`, text: `${title} that it starts is gone: ${before}` })
    else if (before !== after)
      found.push({
        what: part,
        text: `${title} that it starts is ${before}; this one is ${after ?? 'unknown'}`,
      })
  }
  if (old !== null && fresh !== null && old.stopSeconds !== fresh.stopSeconds) {
    found.push({
      what: 'stop-timeout',
      text: `it has ${old.stopSeconds} s to stop; by the stop_timeout of its agents as it is now it should have ${fresh.stopSeconds} s`,
    })
  }
  if (old?.session !== undefined && old.session !== fresh?.session) {
    found.push({
      what: 'session',
      text: 'it runs while you are logged in at the screen, and you are not; installed from here it runs without that',
    })
  }
  if (found.length === 0 && installed !== now)
    found.push({ what: 'content', text: 'its file is not what this version of Perdura writes' })
  return found
}

/** What the manager goes by is another matter: the file may be as it should, and not be known yet. */
export function staleness({ manager }: Service, { stale }: Pick<ServiceState, 'stale'>): Drift[] {
  if (!stale) return []
  const remedy =
    manager.kind === 'systemd'
      ? 'perdura service install has it read this one'
      : 'perdura service restart has it read this one, and starts the agents anew'
  return [{ what: 'stale', text: `${manager.kind} still goes by an earlier file: ${remedy}` }]
}
