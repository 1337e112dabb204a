import { stopSecondsOf, type StopTimes } from '../daemon/service/spec.ts'
import { SettingsSource, type HomeSettings } from '../settings/settings.ts'
import { defaultPolicy } from '../supervisor/policy.ts'
import { agentOf, hubChild } from './child-name.ts'
import type { Call } from './call.ts'
import { launchOf } from './launch.ts'
import { recordedChildren, SupervisionFiles } from './supervision-files.ts'

/**
 * How long what the daemon of this home keeps running may take to stop: by the settings, and by what each child was started
 * with. An agent that is yet to come counts as one that nothing was said of. Undefined where that cannot be told: the home is
 * somebody else's, or its settings are not to be understood.
 */
export function stopTimesOf(call: Call): StopTimes | undefined {
  try {
    const { disk, home } = call
    // What asks for single files finds that they are not there, where it is only not let in.
    disk.list(home)
    const { current } = new SettingsSource(disk, home)
    const usualMs = current.base.supervision.stopMs
    const times = recordedChildren(disk, home).map((child) => ({ child, ms: stopMsOf(call, current, child) }))
    const agents = times.filter(({ child }) => child !== hubChild).map(({ ms }) => ms)
    return {
      agentsMs: Math.max(usualMs, ...agents),
      hubMs: times.find(({ child }) => child === hubChild)?.ms ?? usualMs,
    }
  } catch {
    return undefined
  }
}

/** The longest that one of these may take, ms; without a list, one of all that the daemon keeps. */
export function longestStopMs(call: Call, children?: readonly string[]): number {
  try {
    const { current } = new SettingsSource(call.disk, call.home)
    const asked = children ?? recordedChildren(call.disk, call.home)
    const times = asked.map((child) => stopMsOf(call, current, child))
    return times.length === 0 ? defaultPolicy.stopMs : Math.max(...times)
  } catch {
    return defaultPolicy.stopMs
  }
}

function stopMsOf(call: Call, settings: HomeSettings, child: string): number {
  const agent = agentOf(child)
  const own = agent === undefined ? settings.base : settings.of(agent)
  return askedStopMs(new SupervisionFiles(call.disk, call.home), child) ?? own.supervision.stopMs
}

/** Beyond its time to stop, ms: for being asked, and for ending when it is killed. */
const stopMarginMs = 15_000
/** For the next process to become ready, ms. */
const startMarginMs = 45_000

/** So long who has asked a child to stop waits for that, ms, where nothing else is said. */
export function stopWaitMs(call: Call, child: string): number {
  return longestStopMs(call, [child]) + stopMarginMs
}

/** The same for a restart. */
export function restartWaitMs(call: Call, child: string): number {
  return longestStopMs(call, [child]) + startMarginMs
}

/** Longest time that all of them, one behind the other, and the daemon may take, ms. */
export function wholeStopMs(call: Call): number {
  return stopSecondsOf(stopTimesOf(call) ?? usualStopTimes) * 1_000
}

/** With no settings, and nothing asked for. */
export const usualStopTimes: StopTimes = { agentsMs: defaultPolicy.stopMs, hubMs: defaultPolicy.stopMs }

function askedStopMs(files: SupervisionFiles, child: string): number | undefined {
  const launch = files.record(child)?.launch
  try {
    return launch === undefined ? undefined : launchOf(launch).policy.stopMs
  } catch {
    return undefined // a record that the daemon cannot use either
  }
}
