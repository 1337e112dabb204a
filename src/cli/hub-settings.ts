import { PerduraError } from '../errors.ts'
import type { StartHubOptions } from '../hub/server/start-hub.ts'
import type { Call } from './call.ts'

/** How much a hub lets in, as the command line says. */
export function admissionOf(call: Call): NonNullable<StartHubOptions['admission']> {
  const resumes = rateOf(call, 'resume-rate')
  const news = rateOf(call, 'new-rate')
  return {
    ...(resumes !== undefined && { resumes: { perSecond: resumes, burst: Math.max(1, resumes) } }),
    ...(news !== undefined && { newSessions: { perSecond: news, burst: Math.max(1, 2 * news) } }),
  }
}

/** When clients of v1 are asked, sleep and go: by flags, else by the variables of the original, in minutes. */
export function activityOf(call: Call): NonNullable<StartHubOptions['activity']> {
  const settings = [
    ['staleMs', 'stale-timeout', 'CLOUDBRAIN_STALE_TIMEOUT'],
    ['graceMs', 'grace-period', 'CLOUDBRAIN_GRACE_PERIOD'],
    ['sleepMaxMs', 'max-sleep-time', 'CLOUDBRAIN_MAX_SLEEP_TIME'],
  ] as const
  return Object.fromEntries(
    settings.flatMap(([name, flag, variable]) => {
      if (call.text(flag) !== undefined) return [[name, call.durationMs(flag, 0)]]
      const minutes = minutesOf(call, variable)
      return minutes === undefined ? [] : [[name, minutes * 60_000]]
    }),
  )
}

function rateOf(call: Call, option: string): number | undefined {
  const text = call.text(option)
  if (text === undefined) return undefined
  const rate = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (rate >= 0.01 && rate <= 100_000) return rate
  throw new PerduraError('ERR_USAGE', `--${option} is a number a second, such as 200 or 0.5`)
}

function minutesOf(call: Call, variable: string): number | undefined {
  const text = call.environment[variable]
  if (text === undefined || text === '') return undefined
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text)
  throw new PerduraError('ERR_USAGE', `${variable} is a number of minutes, such as 15 or 0.5`)
}
