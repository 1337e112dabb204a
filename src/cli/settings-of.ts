import type { PerduraError } from '../errors.ts'
import type { Log } from '../platform/log.ts'
import { SettingsSource } from '../settings/settings.ts'
import type { Call } from './call.ts'
import type { Parent } from './own-process.ts'

/**
 * The settings of this process. A person who starts it is told what is wrong with them (ERR_SETTINGS); what is being kept
 * running comes back all the same, with the defaults and the problem: a slip in a file is no reason to be down.
 */
export function settingsOf(
  call: Call,
  parent: Pick<Parent, 'connected'>,
): { readonly settings: SettingsSource; readonly problem: PerduraError | undefined } {
  let problem: PerduraError | undefined
  const lenient = (error: PerduraError): void => {
    problem = error
  }
  const settings = new SettingsSource(call.disk, call.home, parent.connected ? { lenient } : {})
  return { settings, problem }
}

/** Reads them again; where they cannot be understood, what held before goes on to hold. */
export function reloadSettings(settings: SettingsSource, log: Log): void {
  const problem = settings.reload()
  if (problem === undefined) log.info('settings:reload:done')
  else log.error('settings:load:failed', { error: problem, inForce: 'before' })
}
