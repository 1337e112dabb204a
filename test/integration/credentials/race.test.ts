import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createSeededRandom } from '../../../src/testing/index.ts'
import { withTokenWorld, type TokenWorld } from '../../helpers/token-world.ts'
import '../../helpers/leaks.ts'

/**
 * `PERDURA_RACE_ROUNDS=20 PERDURA_RACE_SEED=7 npm test -- test/integration/credentials/race.test.ts` is the long profile.
 * Processes are what it costs, about 150 ms of a processor each.
 */
const rounds = Number(process.env['PERDURA_RACE_ROUNDS'] ?? 1)
const seed = process.env['PERDURA_RACE_SEED'] ?? '1'
const members = 50
const program = join(import.meta.dirname, 'race-member.ts')

/** Why a process logs in with the key: each is said before the login is asked for. */
const reasons = [
  'credentials:refresh:abandoned',
  'credentials:refresh:avoided',
  'credentials:refresh:refused',
  'credentials:hub:unproven',
]

test(
  `${members} processes want the tokens of one agent at once, ${rounds} times, each killed at some step: no alarm, and no logout`,
  { timeout: 120_000 + rounds * 120_000 },
  (t) =>
    withTokenWorld(async (world) => {
      const random = createSeededRandom(`race/${seed}`)
      const report = join(world.home, 'report')
      const first = world.credentials('Ada')
      const { aiId } = await first.access()
      let killed = 0
      for (let round = 0; round < rounds; round += 1) {
        killed += await race(world, report, () => random.int(1, 60))
        assertUnharmed(world)
        // Whoever comes next gets in, and is who it was.
        const next = world.credentials('Ada')
        assert.equal((await next.access({ fresh: true })).aiId, aiId)
        await next.close()
        assertUnharmed(world)
      }
      await first.close()
      const lines = existsSync(report) ? readFileSync(report, 'utf8').trim().split('\n') : []
      const count = (wanted: (line: string) => boolean): number => lines.filter(wanted).length
      const explained = count((line) => reasons.includes(line))
      const [counted] = world.look<{ logins: number }>('SELECT count(*) AS logins FROM token_families')
      const logins = counted?.logins ?? 0
      const done = count((line) => line === 'race:done')
      const failed = lines.filter((line) => line.startsWith('race:failed'))
      assert.deepEqual(failed, [])
      assert.ok(killed > members * rounds * 0.3, `only ${killed} were killed`)
      // The first login, and those that somebody gave a reason for.
      assert.ok(logins <= 1 + explained + rounds, `${logins} logins, and ${explained} reasons`)
      const byReason = reasons.map((reason) => `${reason} ${count((line) => line === reason)}`).join(', ')
      t.diagnostic(`${killed} killed, ${done} done, ${logins} logins (${byReason}), 0 alarms`)
    }),
)

/** None of the logins was ended, and nobody was taken for a thief. */
function assertUnharmed({ hubLog, look }: TokenWorld): void {
  assert.deepEqual(
    hubLog.filter(({ event }) => event === 'hub:token:replayed'),
    [],
  )
  assert.deepEqual(look('SELECT sid FROM token_families WHERE revoked_at IS NOT NULL'), [])
}

/** All begin at one word, and are killed at the step that each has drawn, if they come to it; how many were. */
async function race({ home, url }: TokenWorld, report: string, drawStep: () => number): Promise<number> {
  const children: ChildProcess[] = []
  try {
    for (let member = 0; member < members; member += 1) {
      children.push(
        fork(program, [home, url, report, String(drawStep())], {
          stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        }),
      )
    }
    const ended = children.map(async (child) => (await once(child, 'exit'))[1] as string | null)
    await Promise.all(children.map((child) => once(child, 'message')))
    for (const child of children) child.send('go')
    const signals = await Promise.all(ended)
    return signals.filter((signal) => signal === 'SIGKILL').length
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}
