import { PerduraError } from '../../../src/index.ts'
import type { AgentSimulation, SeededRandom } from '../../../src/testing/index.ts'
import type { Input } from './script.ts'
import type { World } from './world.ts'

/** What may be answered to a sender who then tries again. */
const passing = ['ERR_STORE_WRITE', 'ERR_STORE_CLOSED', 'ERR_STORE_BUSY', 'ERR_INBOX_FULL']

/** Sends a thread in order, each input until it is acknowledged; now and then one that was acknowledged, again. */
export async function sendThread(
  simulation: AgentSimulation,
  world: World,
  thread: readonly Input[],
  options: { readonly random: SeededRandom; readonly pauseMsMax: number; readonly repeatRate: number },
): Promise<void> {
  const { random, pauseMsMax, repeatRate } = options
  const sendOnce = async (input: Input): Promise<boolean> => {
    const { id, sender, conversation } = input
    try {
      const payload = JSON.parse(JSON.stringify(input))
      world.acknowledge(input, await simulation.ingest({ id, from: sender, conversation, payload }))
      return true
    } catch (error) {
      if (error instanceof PerduraError && !passing.includes(error.code)) {
        world.violate('nothing-lost', `${id} was refused: ${error.message}`)
        return true
      }
      return false
    }
  }
  for (const [index, input] of thread.entries()) {
    await simulation.sleep(random.int(0, pauseMsMax))
    while (!(await sendOnce(input))) await simulation.sleep(random.int(20, 400))
    if (random.chance(repeatRate)) await sendOnce(thread[random.int(0, index)] as Input)
  }
}

interface UnknownEffect {
  readonly turn: number
  readonly name: string
  readonly occurrence: number
  readonly key: string
}

/** A dead letter that somebody is going to mend; some are left as they are. */
export function findMendable(
  { agent }: AgentSimulation,
  world: World,
): { position: number; id: string } | undefined {
  const dead = agent?.reader.all<{ position: number; id: string }>(
    "SELECT position, id FROM dead_letters JOIN inbox USING (position) WHERE reason = 'failed' AND kind = 'message'",
  )
  return dead?.find(({ position, id }) => position % 2 === 0 && !world.mended.has(id))
}

/** Mends what is wrong with one of them, and has it tried again. */
async function mendOne(simulation: AgentSimulation, world: World): Promise<void> {
  const found = findMendable(simulation, world)
  if (found === undefined) return
  try {
    await simulation.ask((running) => running.retryTurn(found.position))
  } catch {
    // It died over it: then it stays a dead letter, or not.
  }
  world.mended.add(found.id)
}

/** Decides parked effects by asking the world whether they happened, and waits while that cannot be told. */
export async function operate(simulation: AgentSimulation, world: World, over: () => boolean): Promise<void> {
  while (!over()) {
    await simulation.sleep(1_300)
    const { agent } = simulation
    if (agent === undefined) continue
    const waiting = agent.reader.all<UnknownEffect>(
      `SELECT turn, name, occurrence, key FROM effects JOIN inbox ON position = turn
       WHERE inbox.status = 'parked' AND effects.status = 'unknown' ORDER BY turn, name, occurrence`,
    )
    await mendOne(simulation, world)
    for (const { turn, name, occurrence, key } of waiting) {
      if (simulation.network.underWay(key)) continue
      const result = world.find(key)
      const effect = occurrence === 1 ? name : `${name}#${occurrence}`
      try {
        const decision =
          result === undefined ? ({ outcome: 'not-done' } as const) : ({ outcome: 'done', result } as const)
        await simulation.ask((running) => running.resolveEffect(turn, effect, decision))
      } catch {
        // It died, or somebody was faster: looked at again in a moment.
      }
    }
  }
}
