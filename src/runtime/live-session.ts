import type { Agent } from './agent.ts'

/** How the session of a running agent stands now; its database has only what lasts. */
export interface LiveSession {
  readonly state: string
  readonly reason: string
  /** Wall-clock ms. */
  readonly since: number
}

/** Watches from now on; undefined before the first change, and for ever without a hub. */
export function watchSession(agent: Pick<Agent, 'on'>, now: () => number): () => LiveSession | undefined {
  let live: LiveSession | undefined
  agent.on('session:state:changed', ({ from, to, reason }) => {
    // Between two attempts it is connecting for a moment, and has not been online for all the while.
    const isSame = live !== undefined && from !== 'online' && to !== 'online' && to !== 'stopped'
    live = { state: to, reason, since: isSame ? (live?.since ?? now()) : now() }
  })
  return () => live
}
