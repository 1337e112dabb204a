/** The agent that `bench -- restart` kills at its hub, `session-agent.ts <home> <hub>`: tells when it has its session back. */
import module from 'node:module'
import { openAgent } from '../../src/index.ts'
import resuming from './resuming-agent.ts'

/** Times are ms since the epoch. */
export type SessionMessage =
  | { readonly type: 'bench:open' }
  | {
      readonly type: 'bench:online'
      readonly bornAt: number
      /** Recovered, and about to look for its hub. */
      readonly openAt: number
      readonly at: number
    }

const [home = '', hub = ''] = process.argv.slice(2)

// Whoever started it is gone.
process.on('disconnect', () => process.exit(0))
const agent = await openAgent(resuming, { home, hub })
const openAt = now()
agent.on('session:state:changed', ({ to }) => {
  if (to !== 'online') return
  tell({ type: 'bench:online', bornAt: performance.timeOrigin, openAt, at: now() })
  setTimeout(() => module.flushCompileCache(), 1_000).unref()
})
process.once('SIGTERM', () => void agent.close().then(() => process.exit(0)))
tell({ type: 'bench:open' })

function now(): number {
  return performance.timeOrigin + performance.now()
}

function tell(message: SessionMessage): void {
  process.send?.(message)
}
