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
  agent.on('session:state:changed', ({ state, reason }) => {
    // Between two attempts it is connecting for a moment: it waits since the first of them.
    const since = live?.state === state && live.reason === reason ? live.since : now()
    live = { state, reason, since }
  })
  return () => live
}
