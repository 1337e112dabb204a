import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../../src/errors.ts'
import { type Auth, createAuth, type HubAuthOptions } from '../../../../src/hub/auth/auth.ts'
import type { Login } from '../../../../src/hub/auth/mint.ts'
import { credentialOfSecret } from '../../../../src/hub/auth/credentials.ts'
import { type LoginChange, noteLoginChange } from '../../../../src/hub/auth/login-changes.ts'
import { profileDefaults } from '../../../../src/hub/profiles.ts'
import type { HubStorage } from '../../../../src/hub/storage.ts'
import { createSimulatedLog } from '../../../../src/testing/simulated-log.ts'
import { Trace } from '../../../../src/testing/trace.ts'
import { HubWorld, keysFolder } from './world.ts'

const secret = 'a secret of enough characters'

/** One of several hubs on one database, with a count of what it asks of it. */
class Node {
  readonly changes: (LoginChange | 'all')[] = []
  readonly events: string[] = []
  reads = 0
  writes = 0
  /** Nothing can be read. */
  outage = false
  auth!: Auth
  readonly #world: HubWorld

  constructor(world: HubWorld) {
    this.#world = world
  }

  async start(options?: HubAuthOptions): Promise<this> {
    const { ports, random, storage } = this.#world
    const counted: HubStorage = {
      read: (operation) => {
        this.reads += 1
        if (this.outage) return Promise.reject(new PerduraError('ERR_HUB_STORAGE', 'no storage'))
        return storage.read(operation)
      },
      write: (operation) => {
        this.writes += 1
        return storage.write(operation)
      },
      close: () => storage.close(),
    }
    this.auth = await this.#world.settle(
      createAuth({ ...ports, random, storage: counted, keysFolder }, options),
    )
    const log = createSimulatedLog(new Trace(), (event) => void this.events.push(event))
    this.auth.logins.start({ log, onChange: (change) => void this.changes.push(change) })
    await this.#world.clock.runFor(10)
    return this
  }

  /** The code of the refusal, or `ok`. */
  async ask(token: string): Promise<string> {
    const asked = this.auth.authenticate(token).then(
      () => 'ok',
      (error: unknown) => (error as PerduraError).code,
    )
    return this.#world.settle(asked)
  }
}

class WatchWorld extends HubWorld {
  async node(options?: HubAuthOptions): Promise<Node> {
    return new Node(this).start(options)
  }

  async join({ auth }: Node, name: string): Promise<Login> {
    const fields = { ...profileDefaults, name, nickname: name }
    await this.settle(auth.register(fields, credentialOfSecret(name, secret), undefined))
    const proof = { kind: 'secret', secret } as const
    const whoever = { nickname: undefined, aiId: undefined, generation: undefined, isLocal: false }
    return this.settle(auth.login({ name, proof, ...whoever }))
  }

  setActive(aiId: number, active: boolean): Promise<void> {
    return this.settle(
      this.storage.write(async (tx) => {
        await tx.run('UPDATE profiles SET is_active = ? WHERE id = ?', active ? 1 : 0, aiId)
        await noteLoginChange(tx, { aiId, sid: undefined })
      }),
    )
  }
}

test('the database is asked once about a login, however often its token is shown', async () => {
  const world = new WatchWorld()
  const node = await world.node()
  const { accessToken } = await world.join(node, 'Ada')
  await node.ask(accessToken)
  const { reads, writes } = node
  for (let count = 0; count < 100; count++) assert.equal(await node.ask(accessToken), 'ok')
  assert.deepEqual([node.reads, node.writes], [reads, writes])
})

test('a minute of a live hub costs a poll a second, and no more for any number of logins', async () => {
  const world = new WatchWorld()
  const node = await world.node()
  const tokens: string[] = []
  for (let count = 0; count < 20; count++) {
    tokens.push((await world.join(node, `Agent ${count}`)).accessToken)
  }
  for (const token of tokens) await node.ask(token)
  const { reads } = node
  for (let second = 0; second < 60; second++) {
    await world.clock.runFor(1_000)
    for (const token of tokens) assert.equal(await node.ask(token), 'ok')
  }
  assert.ok(node.reads - reads >= 55 && node.reads - reads <= 65, `${node.reads - reads} reads`)
})

test('what is revoked at one hub is refused there at once, and at another with its next poll', async () => {
  const world = new WatchWorld()
  const [one, other] = [await world.node(), await world.node()]
  const login = await world.join(one, 'Ada')
  const bystander = await world.join(one, 'Bo')
  for (const node of [one, other]) {
    assert.equal(await node.ask(login.accessToken), 'ok')
    assert.equal(await node.ask(bystander.accessToken), 'ok')
  }
  await world.settle(one.auth.logout(login.accessToken))
  assert.equal(await one.ask(login.accessToken), 'ERR_TOKEN_REVOKED')
  await world.clock.runFor(1_100)
  assert.equal(await other.ask(login.accessToken), 'ERR_TOKEN_REVOKED')
  assert.deepEqual(other.changes, [{ aiId: login.aiId, sid: one.auth.loginOf(login.accessToken) }])
  const { reads } = other
  for (let count = 0; count < 50; count++) {
    assert.equal(await other.ask(bystander.accessToken), 'ok')
    assert.equal(await other.ask(login.accessToken), 'ERR_TOKEN_REVOKED')
  }
  assert.equal(other.reads, reads)
})

test('an agent that is switched off is refused under each of its logins, and taken again when it is on', async () => {
  const world = new WatchWorld()
  const node = await world.node()
  const first = await world.join(node, 'Ada')
  const second = await world.join(node, 'Ada')
  for (const { accessToken } of [first, second]) assert.equal(await node.ask(accessToken), 'ok')
  await world.setActive(first.aiId, false)
  await world.clock.runFor(1_100)
  for (const { accessToken } of [first, second]) {
    assert.equal(await node.ask(accessToken), 'ERR_PROFILE_INACTIVE')
  }
  await world.setActive(first.aiId, true)
  await world.clock.runFor(1_100)
  for (const { accessToken } of [first, second]) assert.equal(await node.ask(accessToken), 'ok')
})

test('a replayed refresh token ends its login at all hubs', async () => {
  const world = new WatchWorld()
  const [one, other] = [await world.node(), await world.node()]
  const login = await world.join(one, 'Ada')
  const next = await world.settle(one.auth.refresh(login.refreshToken))
  assert.equal(await other.ask(next.accessToken), 'ok')
  await world.clock.runFor(31_000)
  await assert.rejects(world.settle(one.auth.refresh(login.refreshToken)), { code: 'ERR_TOKEN_REVOKED' })
  assert.equal(await one.ask(next.accessToken), 'ERR_TOKEN_REVOKED')
  await world.clock.runFor(1_100)
  assert.equal(await other.ask(next.accessToken), 'ERR_TOKEN_REVOKED')
})

test('while the polls fail memory is believed for 5 s, and then nothing but the database, whose silence is no refusal', async () => {
  const world = new WatchWorld()
  const [one, cut] = [await world.node(), await world.node()]
  const login = await world.join(one, 'Ada')
  assert.equal(await cut.ask(login.accessToken), 'ok')
  cut.outage = true
  await world.settle(one.auth.logout(login.accessToken))
  await world.clock.runFor(3_000)
  // It cannot have heard of it.
  assert.equal(await cut.ask(login.accessToken), 'ok')
  await world.clock.runFor(3_000)
  assert.equal(await cut.ask(login.accessToken), 'ERR_HUB_STORAGE')
  assert.deepEqual(cut.events, ['hub:logins:unwatched'])
  cut.outage = false
  assert.equal(await cut.ask(login.accessToken), 'ERR_TOKEN_REVOKED')
  await world.clock.runFor(1_100)
  assert.deepEqual(cut.events, ['hub:logins:unwatched', 'hub:logins:trusted'])
  assert.deepEqual(cut.changes.length, 1)
})

test('an answer that was read before a revocation, and comes after it was heard of, counts for nothing', async () => {
  const world = new WatchWorld()
  const node = await world.node()
  const login = await world.join(node, 'Ada')
  const { read } = world.storage
  const held = Promise.withResolvers<void>()
  // The next read has its answer, and is then on its way for long.
  world.storage.read = async (operation) => {
    world.storage.read = read
    const answer = await read.call(world.storage, operation)
    await held.promise
    return answer as never
  }
  const asked = node.auth.authenticate(login.accessToken).catch((error: unknown) => error as PerduraError)
  await world.settle(node.auth.logout(login.accessToken))
  held.resolve()
  // Whoever waited for it is not in the register of connections yet, where the revocation would find it.
  assert.equal(((await asked) as PerduraError).code, 'ERR_TOKEN_REVOKED')
  assert.equal(await node.ask(login.accessToken), 'ERR_TOKEN_REVOKED')
})

test('a hub that has not looked for more changes than are kept forgets all that it remembers', async () => {
  const world = new WatchWorld()
  const node = await world.node()
  const login = await world.join(node, 'Ada')
  const bystander = await world.join(node, 'Bo')
  assert.equal(await node.ask(login.accessToken), 'ok')
  await world.settle(
    world.storage.write(async (tx) => {
      await tx.run('UPDATE token_families SET revoked_at = 1 WHERE ai_id = ?', login.aiId)
      await noteLoginChange(tx, { aiId: login.aiId, sid: undefined })
      for (let count = 0; count < 10_001; count++) await noteLoginChange(tx, { aiId: 99, sid: undefined })
    }),
  )
  await world.clock.runFor(1_100)
  assert.deepEqual(node.changes, ['all'])
  assert.equal(await node.ask(login.accessToken), 'ERR_TOKEN_REVOKED')
  assert.equal(await node.ask(bystander.accessToken), 'ok')
  const rows = world.database.prepare('SELECT count(*) AS count FROM login_changes').get()
  assert.equal(rows?.['count'], 10_000)
})

test('many changes at once are all read', async () => {
  const world = new WatchWorld()
  const node = await world.node()
  await world.settle(
    world.storage.write(async (tx) => {
      for (let count = 1; count <= 2_500; count++) await noteLoginChange(tx, { aiId: count, sid: undefined })
    }),
  )
  await world.clock.runFor(1_100)
  assert.equal(node.changes.length, 2_500)
  assert.equal(new Set(node.changes.map((change) => (change === 'all' ? 0 : change.aiId))).size, 2_500)
})

test('a login whose refresh token was renewed since is asked about again, and one that has run out is over', async () => {
  const world = new WatchWorld()
  const node = await world.node({ accessTtlS: 60, refreshTtlS: 600 })
  const login = await world.join(node, 'Ada')
  const who = await world.settle(node.auth.authenticate(login.accessToken))
  await world.clock.runFor(500_000)
  await world.settle(node.auth.refresh(login.refreshToken))
  await world.clock.runFor(200_000)
  await world.settle(node.auth.revalidate(who))
  await world.clock.runFor(600_000)
  await assert.rejects(world.settle(node.auth.revalidate(who)), { code: 'ERR_TOKEN_REVOKED' })
})

test('times that make no sense are refused', async () => {
  const world = new WatchWorld()
  const { ports, random, storage } = world
  const create = (watch: { pollMs?: number; trustMs?: number }) =>
    world.settle(createAuth({ ...ports, random, storage, keysFolder }, { watch }))
  await assert.rejects(create({ pollMs: 10 }), { code: 'ERR_USAGE', message: /watch\.pollMs/ })
  await assert.rejects(create({ trustMs: 1_500 }), { code: 'ERR_USAGE', message: /watch\.trustMs/ })
})
