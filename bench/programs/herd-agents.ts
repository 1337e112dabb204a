/**
 * Sessions of many agents in one process, `herd-agents.ts <folder> <hub> <prefix> <count>`: each with its own key, login and
 * socket, and nothing to say. Tells when they ask for a connection, and when they have their sessions.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { HubCredentials } from '../../src/credentials/hub-credentials.ts'
import type { Log } from '../../src/platform/log.ts'
import { createNodePlatform } from '../../src/platform/node/platform.ts'
import { openCredentials } from '../../src/runtime/hub/open-credentials.ts'
import { hubAddress } from '../../src/session/hub-address.ts'
import { HubAddresses } from '../../src/session/hub-addresses.ts'
import { Session } from '../../src/session/session.ts'
import type { Attempt } from '../../test/helpers/herd-figures.ts'
import { LightSessionStore } from '../../test/helpers/light-session-store.ts'

export type HerdMessage =
  /** How many of them are online now; said whenever all of them are. */
  | { readonly type: 'herd:online'; readonly at: number }
  /** All since the last one; ms since the epoch. */
  | { readonly type: 'herd:attempts'; readonly attempts: readonly Attempt[] }

const ignore = (): void => undefined
const silent: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, with: () => silent }

const [folder = '', hub = '', prefix = '', countText = ''] = process.argv.slice(2)
const count = Number(countText)
const platform = createNodePlatform()
const sessions: Session[] = []
let attempts: Attempt[] = []
let online = 0

// Whoever started it is gone.
process.on('disconnect', () => process.exit(0))
process.on('message', () => {
  tell({ type: 'herd:attempts', attempts })
  attempts = []
})
process.once('SIGTERM', () => {
  void Promise.all(sessions.map((session) => session.stop())).then(() => process.exit(0))
})
for (let number = 0; number < count; number += 1) {
  await open(`${prefix}${number}`)
  // One after the other: how they come is not what is measured.
  if (number % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 20))
}

async function open(name: string): Promise<void> {
  const { boot, clock, random, http, transport } = platform
  const own = join(folder, name)
  mkdirSync(own, { recursive: true })
  const addresses = new HubAddresses({ list: [hubAddress(hub)], clock, log: silent })
  const session = new Session({
    clock,
    random,
    log: silent,
    transport: {
      connect: (...call) => {
        attempts.push({ agent: name, ms: now() })
        return transport.connect(...call)
      },
    },
    addresses,
    credentials: new HubCredentials({
      file: openCredentials({ platform, home: folder, path: join(own, 'credentials'), log: silent }),
      http,
      clock,
      boot,
      random,
      log: silent,
      hub: { addresses, pathPrefix: '' },
      name,
    }),
    store: new LightSessionStore(),
    instance: random.uuid(),
    onChange: ({ from, to }) => {
      if (from === 'online') online -= 1
      if (to !== 'online') return
      online += 1
      if (online === count) tell({ type: 'herd:online', at: now() })
    },
    onExhausted: ignore,
    onGap: ignore,
    onEnd: (error) => {
      throw error
    },
  })
  sessions.push(session)
  session.start()
}

function now(): number {
  return performance.timeOrigin + performance.now()
}

function tell(message: HerdMessage): void {
  process.send?.(message)
}
