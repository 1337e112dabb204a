import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withChild } from '../../helpers/child.ts'
import { doneOutside, dyingAgent, type Moment, type Policy } from '../../helpers/dying-agent.ts'
import { withFolder } from '../../helpers/folder.ts'
import { useAgent, type TestAgent } from '../../helpers/real-agent.ts'

const moments: readonly Moment[] = ['before', 'during', 'after']

/** Has a child process killed at the moment, and then looks at what the next process makes of it. */
function afterKill(
  policy: Policy,
  moment: Moment,
  look: (agent: TestAgent, home: string) => Promise<void>,
): Promise<void> {
  return withFolder(async (home) => {
    await withChild('dying-agent.ts', [home, JSON.stringify({ policy, moment })], async (child) => {
      await child.ended()
      assert.ok(!child.lines.includes('done 1'), child.lines.join())
    })
    await useAgent(home, dyingAgent(home), async (agent) => {
      assert.equal(agent.recovered.previous, 'killed')
      await look(agent, home)
    })
  })
}

function ledger(agent: TestAgent): { status: string; runs: number } {
  return {
    ...agent.reader.get<{ status: string; runs: number }>('SELECT status, runs FROM effects'),
  } as never
}

for (const moment of moments) {
  test(`an effect that can be verified happens once when its process is killed ${moment} it`, () =>
    afterKill('verify', moment, async (agent, home) => {
      await agent.event('turn:done')
      assert.equal(doneOutside(home).length, 1)
      assert.deepEqual(ledger(agent), { status: 'done', runs: moment === 'before' ? 2 : 1 })
      assert.deepEqual(agent.mailbox(), doneOutside(home))
    }))

  test(`an idempotent effect is asked for again under the same key when its process is killed ${moment} it`, () =>
    afterKill('idempotent', moment, async (agent, home) => {
      await agent.event('turn:done')
      assert.equal(new Set(doneOutside(home)).size, 1)
      assert.equal(doneOutside(home).length, moment === 'before' ? 1 : 2)
      assert.deepEqual(ledger(agent), { status: 'done', runs: 2 })
    }))

  test(`an effect that nobody can check is never repeated when its process is killed ${moment} it: its turn is parked`, () =>
    afterKill('unkeyed', moment, async (agent, home) => {
      const { turn, effect } = await agent.event('turn:parked')
      assert.equal(effect, 'outside')
      assert.equal(doneOutside(home).length, moment === 'before' ? 0 : 1)
      assert.deepEqual(ledger(agent), { status: 'unknown', runs: 1 })
      await agent.resolveEffect(
        turn,
        'outside',
        moment === 'before' ? { outcome: 'not-done' } : { outcome: 'done', result: 'as the bank says' },
      )
      await agent.event('turn:done')
      assert.equal(doneOutside(home).length, 1)
      assert.deepEqual(agent.mailbox(), moment === 'before' ? doneOutside(home) : ['as the bank says'])
    }))
}

test('what kills the process is found, blamed and set aside after crashesMax deaths; others are not harmed', () =>
  withFolder(async (home) => {
    const payloads = [{ innocent: 1 }, { poison: true }, { innocent: 2 }].map((payload) =>
      JSON.stringify(payload),
    )
    const die = (): Promise<number | null> =>
      withChild('dying-agent.ts', [home, ...payloads], (child) => child.ended())
    // Once beside others, which makes it a suspect, and then crashesMax times alone.
    assert.deepEqual([await die(), await die(), await die()], [1, 1, 1])
    const another = JSON.stringify({ innocent: 3 })
    await withChild('dying-agent.ts', [home, ...payloads, another], (child) =>
      child.line((line) => line === 'done 4'),
    )

    await useAgent(home, dyingAgent(home), (agent) => {
      const rows = agent.reader.all<object>(
        'SELECT position, status, crashes, failures FROM inbox ORDER BY position',
      )
      const innocent = { status: 'done', crashes: 0, failures: 0 }
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        [
          { position: 1, ...innocent },
          { position: 2, status: 'dead', crashes: 2, failures: 0 },
          { position: 3, ...innocent },
          { position: 4, ...innocent },
        ],
      )
      const letter = agent.reader.get<{ reason: string; evidence: string }>(
        'SELECT reason, evidence FROM dead_letters',
      )
      assert.equal(letter?.reason, 'crashed')
      const { error, crashes } = JSON.parse(letter?.evidence ?? '{}') as {
        error: { code: string }
        crashes: number
      }
      assert.deepEqual([error.code, crashes], ['ERR_TURN_CRASHED', 2])
    })
  }))
