import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAgent } from '../../../src/index.ts'
import { createNodePlatform } from '../../../src/platform/node/platform.ts'
import { openAgent } from '../../../src/runtime/open-agent.ts'
import type { Agent } from '../../../src/runtime/agent.ts'
import { openCredentials } from '../../../src/runtime/hub/open-credentials.ts'
import { storedSessions } from '../../../src/runtime/session-queries.ts'
import { until } from '../../helpers/command-line.ts'
import {
  credentialsPath,
  logTo,
  type LoggedLine,
  type TokenWorld,
  withTokenWorld,
} from '../../helpers/token-world.ts'
import '../../helpers/leaks.ts'

interface Victim {
  readonly agent: Agent
  readonly log: LoggedLine[]
  /** What a thief finds in its file now. */
  steal(): string
  online(): Promise<void>
  identifier(): string | null | undefined
}

async function withVictim(use: (victim: Victim, world: TokenWorld) => Promise<void>): Promise<void> {
  await withTokenWorld(async (world) => {
    const { home, url } = world
    const log: LoggedLine[] = []
    const agent = await openAgent(defineAgent({ name: 'Ada' }), { home, hub: url, log: logTo(log) })
    try {
      const online = (): Promise<void> =>
        until('the agent is online', () => agent.session?.state === 'online')
      await online()
      const steal = (): string => {
        const path = credentialsPath(home, 'Ada')
        const file = openCredentials({ platform: createNodePlatform(), home, path, log: logTo([]) })
        return file.login(file.places[0] ?? '')?.refresh_token ?? ''
      }
      const identifier = () => storedSessions(agent.reader)[0]?.sessionIdentifier
      await use({ agent, log, steal, online, identifier }, world)
    } finally {
      await agent.close({ deadlineMs: 100 })
    }
  })
}

const alarmsIn = ({ hubLog }: TokenWorld): LoggedLine[] =>
  hubLog.filter(({ event }) => event === 'hub:token:replayed')

test(
  'a stolen refresh token that is used late ends its login and its connections, and the agent is back with its key, in its session',
  { timeout: 60_000 },
  () =>
    withVictim(async ({ agent, identifier, log, online, steal }, world) => {
      // A login under the generation that it has by now, so that the next tokens are of the same one.
      await agent.tokens?.access({ fresh: true })
      const stolen = steal()
      const session = identifier()
      const told: unknown[] = []
      agent.on('session:credentials:compromised', (compromise) => told.push(compromise))
      await agent.tokens?.access({ fresh: true })
      await agent.tokens?.access({ fresh: true })
      agent.reconnect('so that its connection is one of this login')
      await until('it is connected anew', () =>
        log.some(({ reason }) => String(reason).includes('one of this login')),
      )
      await online()

      const thief = await world.call('POST', '/auth/refresh', { body: { refresh_token: stolen } })
      assert.deepEqual([thief.status, thief.body['code']], [401, 'ERR_TOKEN_REVOKED'])
      assert.equal(thief.body['token'], undefined)
      const [alarm, ...more] = alarmsIn(world)
      assert.deepEqual(more, [])
      assert.equal(alarm?.['agent'], 'Ada')
      assert.ok(
        !JSON.stringify(world.hubLog).includes(stolen.split('.')[2] ?? ''),
        'the token itself is not logged',
      )

      await until('the agent has heard', () => told.length > 0)
      await online()
      const closed = log.findIndex(
        ({ to, reason }) => to === 'backing-off' && /revoked|REVOKED/.test(String(reason)),
      )
      assert.ok(closed >= 0, 'its connection was closed')
      assert.equal(told.length, 1)
      assert.deepEqual((told[0] as { logins: number }).logins, 1)
      assert.ok(log.some(({ event }) => event === 'session:credentials:compromised'))
      assert.equal(identifier(), session)
      // The thief has nothing more of it, and the agent is not told again of the same.
      assert.equal(
        (await world.call('POST', '/auth/refresh', { body: { refresh_token: stolen } })).status,
        401,
      )
      await agent.tokens?.revoke({ all: false })
      await agent.tokens?.access({ fresh: true })
      assert.equal(told.length, 1)
      assert.equal(alarmsIn(world).length, 1)
    }),
)

test('of a thief who is first, the agent ends the login, and is back', { timeout: 60_000 }, () =>
  withVictim(async ({ agent, identifier, online, steal }, world) => {
    await agent.tokens?.access({ fresh: true })
    const session = identifier()
    const stolen = steal()
    const first = await world.call('POST', '/auth/refresh', { body: { refresh_token: stolen } })
    assert.equal(first.status, 200)
    const second = await world.call('POST', '/auth/refresh', {
      body: { refresh_token: first.body['refresh_token'] },
    })
    assert.equal(second.status, 200)
    const told = new Promise((resolve) => void agent.on('session:credentials:compromised', resolve))
    // Its own token is two behind by now.
    await agent.tokens?.access({ fresh: true })
    await told
    assert.equal(alarmsIn(world).length, 1)
    for (const { body } of [first, second]) {
      const asked = await world.call('GET', '/ai/list', { token: String(body['token']) })
      assert.equal(asked.body['code'], 'ERR_TOKEN_REVOKED')
    }
    await online()
    assert.equal(identifier(), session)
  }),
)
