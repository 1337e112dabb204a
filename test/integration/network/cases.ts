import { setTimeout as sleep } from 'node:timers/promises'
import { agentNames } from '../../chaos/hub/plan.ts'
import type { Side } from '../../helpers/fault-proxy.ts'
import type { NetworkOptions, NetworkWorld } from './network-world.ts'

/** How long and how often, in tests and in the campaign. */
export interface Profile {
  readonly options: NetworkOptions
  /** Silence after which either side gives the other up, ms. */
  readonly silenceMs: number
  /** In a row, of all agents together. */
  readonly reconnections: number
  /** How long a throttled link is used, ms. */
  readonly slowMs: number
}

export interface NetworkCase {
  readonly name: string
  readonly run: (world: NetworkWorld, profile: Profile) => Promise<void>
}

const shortSilenceMs = 1_500

/** The same as in earnest, with a shorter patience on both sides. */
export const shortProfile: Profile = {
  options: {
    session: { silenceMs: shortSilenceMs, heartbeatMs: 500 },
    hub: { silenceMs: shortSilenceMs, heartbeatMs: 1_000 },
  },
  silenceMs: shortSilenceMs,
  reconnections: 1_000,
  slowMs: 1_500,
}

/** As the product is. */
export const fullProfile: Profile = {
  options: { patienceMs: 180_000 },
  silenceMs: 30_000,
  reconnections: 5_000,
  slowMs: 30_000,
}

export const networkCases: readonly NetworkCase[] = [
  {
    name: 'connections that drop are taken up again',
    run: async (world) => {
      for (let round = 0; round < 3; round += 1) {
        await world.traffic(5)
        const sinceMs = performance.now()
        for (const name of agentNames) world.proxy(name).reset()
        await world.resumed(sinceMs, ...agentNames)
      }
    },
  },
  {
    name: 'a hub that is stopped and started is found again',
    run: async (world) => {
      await world.hub.restart(300)
      await world.hub.ready()
      await world.resumed(performance.now(), ...agentNames)
      await world.traffic(5)
    },
  },
  {
    name: 'a hub that is killed is found again when it is back',
    run: async (world) => {
      for (let round = 0; round < 2; round += 1) {
        await world.hub.kill(300)
        await world.hub.ready()
        await world.resumed(performance.now(), ...agentNames)
        await world.traffic(5)
      }
    },
  },
  {
    name: 'a hub that stands still for longer than anybody waits is used again when it moves',
    run: async (world, { silenceMs }) => {
      world.hub.signal('SIGSTOP')
      await world.noticed(...agentNames)
      // Its kernel still accepts connections, on which nobody answers.
      await sleep(silenceMs)
      const sinceMs = performance.now()
      world.hub.signal('SIGCONT')
      await world.resumed(sinceMs, ...agentNames)
    },
  },
  {
    name: 'a network that is away for longer than anybody waits is noticed, and used again when it is back',
    run: async (world, { silenceMs }) => {
      for (const name of agentNames) world.proxy(name).blackHole()
      await world.noticed(...agentNames)
      // Attempts into the void begin and fail.
      await sleep(silenceMs)
      const sinceMs = performance.now()
      for (const name of agentNames) world.proxy(name).heal()
      await world.resumed(sinceMs, ...agentNames)
    },
  },
  {
    name: 'an interruption that is shorter than that need not be noticed',
    run: async (world, { silenceMs }) => {
      for (const name of agentNames) world.proxy(name).blackHole()
      await sleep(silenceMs / 3)
      for (const name of agentNames) world.proxy(name).heal()
      await world.traffic(20)
      await world.allOnline()
    },
  },
  halfOpen('server', 'an agent whose hub is gone without a word notices it'),
  halfOpen('client', 'a hub whose agent is gone without a word has it back under the same session'),
  {
    name: 'a link that only passes what the agent says is noticed',
    run: (world, profile) => oneWay(world, profile, 'down'),
  },
  {
    name: 'a link that only passes what the hub says is noticed',
    run: (world, profile) => oneWay(world, profile, 'up'),
  },
  {
    name: 'a slow link in tiny pieces is used as it is',
    run: async (world, { slowMs }) => {
      const faults = { bytesPerSecond: 6_000, sliceBytes: 40, delayMs: 30, jitterMs: 60 }
      for (const name of agentNames) world.proxy(name).disturb(faults)
      await sleep(slowMs)
      // And a handshake over it.
      const sinceMs = performance.now()
      world.proxy('ada').reset()
      await world.resumed(sinceMs, 'ada')
      for (const name of agentNames) world.proxy(name).heal()
    },
  },
  {
    name: 'a hub that refuses connections for a while is tried again',
    run: async (world) => {
      for (const name of agentNames) await world.proxy(name).refuse()
      for (const name of agentNames) world.proxy(name).reset()
      await world.noticed(...agentNames)
      await sleep(1_000)
      const sinceMs = performance.now()
      for (const name of agentNames) await world.proxy(name).accept()
      await world.resumed(sinceMs, ...agentNames)
    },
  },
  {
    name: 'a wall clock that jumps by an hour, there and back',
    run: async (world) => {
      for (const ms of [3_600_000, -7_200_000, 3_600_000]) {
        for (const name of agentNames) world.agent(name).tell({ type: 'jump', ms })
        const sinceMs = performance.now()
        for (const name of agentNames) world.proxy(name).reset()
        await world.resumed(sinceMs, ...agentNames)
        await world.traffic(10)
      }
    },
  },
  {
    name: 'an agent that sleeps for longer than anybody waits goes on when it wakes, an hour later by its clock',
    run: async (world, { silenceMs }) => {
      const ada = world.agent('ada')
      ada.signal('SIGSTOP')
      ada.tell({ type: 'jump', ms: 3_600_000 })
      await world.traffic(10)
      await sleep(silenceMs * 2)
      const sinceMs = performance.now()
      ada.signal('SIGCONT')
      await world.resumed(sinceMs, 'ada')
    },
  },
]

/** The longest of them. */
export const reconnections: NetworkCase = {
  name: 'connections that are reset as soon as they are live, a thousand times in a row',
  run: (world, { reconnections: count }) => reconnect(world, count),
}

function halfOpen(lost: Side, name: string): NetworkCase {
  return {
    name,
    run: async (world) => {
      // One side is told; the other must find out, or be found out by the next connection of the same agent.
      const sinceMs = performance.now()
      for (const agent of agentNames) {
        for (const connection of world.proxy(agent).connections) connection.lose(lost)
      }
      await world.resumed(sinceMs, ...agentNames)
    },
  }
}

async function oneWay(world: NetworkWorld, { silenceMs }: Profile, blocked: 'up' | 'down'): Promise<void> {
  for (const name of agentNames) world.proxy(name).blackHole(blocked)
  await sleep(silenceMs)
  await world.noticed(...agentNames)
  const sinceMs = performance.now()
  for (const name of agentNames) world.proxy(name).heal()
  await world.resumed(sinceMs, ...agentNames)
}

/** No faster than a hub lets one agent come. */
const askAfterMs = 50

/** Each is reset when it is live, and a person soon asks for the next one: else the growing delays would take hours. */
async function reconnect(world: NetworkWorld, count: number): Promise<void> {
  let left = count
  const done = Promise.withResolvers<void>()
  world.onSession = (name, state) => {
    if (state === 'backing-off') setTimeout(() => world.agent(name).tell({ type: 'reconnect' }), askAfterMs)
    if (state !== 'online' || left === 0) return
    left -= 1
    world.proxy(name).reset()
    if (left === 0) done.resolve()
  }
  for (const name of agentNames) world.proxy(name).reset()
  await done.promise
  await world.allOnline()
  // By itself once more, from the delays that it has come to.
  world.onSession = undefined
  const sinceMs = performance.now()
  for (const name of agentNames) world.proxy(name).reset()
  await world.resumed(sinceMs, ...agentNames)
}
