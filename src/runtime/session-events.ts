import type { Log } from '../platform/log.ts'
import type { Emitter } from './emitter.ts'
import type { HubLinkOptions } from './hub/hub-link.ts'

/** What the way through a hub tells, as the log and whoever listens to the agent have it. */
export function sessionEvents(
  log: Log,
  emitter: Emitter,
): Pick<HubLinkOptions, 'onChange' | 'onExhausted' | 'onGap' | 'onOtherSession' | 'onCompromised'> {
  return {
    onChange: (change, { sessionIdentifier, generation }) => {
      log.info('session:state:changed', { ...change, session: sessionIdentifier ?? '', generation })
      emitter.emit('session:state:changed', change)
    },
    onExhausted: (exhausted) => {
      log.error('session:attempts:exhausted', exhausted)
      emitter.emit('session:attempts:exhausted', exhausted)
    },
    onGap: (gap) => {
      // That a message is good for a while only, its sender has said.
      log[gap.reason === 'ttl' ? 'info' : 'error']('session:gap:announced', gap)
      emitter.emit('session:gap:announced', gap)
    },
    onOtherSession: (other) => {
      log.warn('session:identifier:changed', { ...other })
      emitter.emit('session:identifier:changed', other)
    },
    // Whoever has found it out has logged it.
    onCompromised: (compromise) => emitter.emit('session:credentials:compromised', compromise),
  }
}
