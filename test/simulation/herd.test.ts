import assert from 'node:assert/strict'
import { test } from 'node:test'
import { herdMutants } from './herd/mutants.ts'
import {
  droppedTogether,
  flappingHub,
  longOutage,
  type HerdOptions,
  type Scenario,
} from './herd/scenarios.ts'

// Ten thousand agents at once: npm run bench -- herd.
const scenarios: readonly {
  readonly name: string
  readonly scenario: Scenario
  /** By seed, from 1. */
  readonly agents: readonly number[]
}[] = [
  { name: 'that drops all at once', scenario: droppedTogether, agents: [300, 300, 300, 1_500] },
  { name: 'away for five minutes', scenario: longOutage, agents: [150, 150, 150, 500] },
  { name: 'that drops whom it has let in', scenario: flappingHub, agents: [40, 40, 40, 150] },
]

for (const { name, scenario, agents } of scenarios) {
  test(`a hub ${name}: the herd keeps no step, and is back in time`, async () => {
    for (const [index, count] of agents.entries()) await holds(scenario, { seed: index + 1, agents: count })
  })
}

for (const { name, scenario, caughtBy, swaps } of herdMutants) {
  test(`is caught: an agent or hub that ${name}`, async () => {
    const agents = scenarios.find((one) => one.scenario === scenario)?.agents[0] ?? 0
    // With this seed and so many agents all is well where nothing is broken: see above.
    const violations = await scenario({ seed: 1, agents, swaps })
    assert.ok(
      violations.some(({ invariant }) => invariant === caughtBy),
      `not by ${caughtBy}: ${JSON.stringify(violations)}`,
    )
  })
}

async function holds(scenario: Scenario, options: HerdOptions): Promise<void> {
  assert.deepEqual(await scenario(options), [], `seed ${options.seed}, ${options.agents} agents`)
}
