import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { createHub } from '../../../src/hub/hub.ts'
import { SqliteStorage } from '../../../src/hub/storage/sqlite-storage.ts'
import { createNodePlatform } from '../../../src/platform/node/platform.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'
import { withFolder } from '../../helpers/folder.ts'
import '../../helpers/leaks.ts'
import { startRobustAgent, V1ApiClient, V1Rest, V1Socket } from '../../helpers/v1-client.ts'

interface HubUnderTest {
  /** REST and WebSockets have ports of their own, as in v1. */
  readonly rest: number
  readonly sockets: number
  readonly trace: Trace
}

/** Runs `use` with a real hub on ports of its own, in a folder of its own. */
async function withHub(use: (hub: HubUnderTest) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const platform = createNodePlatform()
    const keysFolder = path.join(folder, 'keys')
    fs.mkdirSync(keysFolder)
    const database = new DatabaseSync(path.join(folder, 'hub.db'))
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    const trace = new Trace()
    const address = { host: '127.0.0.1', port: 0 }
    const hub = await createHub({
      platform,
      log: createSimulatedLog(trace),
      storage: new SqliteStorage({ database, clock: platform.clock, process: platform.process }),
      keysFolder,
      addresses: [address, address],
      auth: { openLogin: true },
    })
    const [rest = 0, sockets = 0] = hub.addresses.map((found) => ('port' in found ? found.port : 0))
    try {
      await use({ rest, sockets, trace })
    } finally {
      await hub.close(100)
    }
    assert.ok(!trace.last.some((line) => line.startsWith('error')), trace.last.join('\n'))
  })
}

test('two v1 clients reach each other over REST and over WebSockets', async () => {
  await withHub(async ({ rest, sockets, trace }) => {
    const [ada, bob] = [new V1Rest(rest), new V1Rest(rest)]
    const [a, b] = [await ada.login('Ada'), await bob.login('Bob')]
    assert.ok(a.aiId !== b.aiId)
    const adaSocket = new V1Socket(sockets, a.token)
    const bobSocket = new V1Socket(sockets, b.token)
    assert.equal((await adaSocket.next('connected')).ai_name, 'Ada')
    assert.equal((await bobSocket.next('connected')).ai_id, b.aiId)

    const { message } = await ada.send(b.aiId, 'by REST')
    const first = await bobSocket.next('message')
    assert.deepEqual(
      [first.sender_id, first.sender_name, first.content, first.message_id],
      [a.aiId, 'Ada', 'by REST', message.message_id],
    )
    bobSocket.send({ type: 'message', ai_id: b.aiId, recipient_id: a.aiId, content: 'by socket' })
    assert.equal((await adaSocket.next('message')).content, 'by socket')
    assert.equal((await ada.inbox()).messages[0].content, 'by socket')

    await Promise.all([adaSocket.close(), bobSocket.close()])
    const log = trace.last.join('\n')
    assert.ok(!log.includes(a.token) && !log.includes('by socket'))
  })
})

test('an original agent and an API client understand what they get', async () => {
  await withHub(async ({ rest, sockets }) => {
    const { token } = await new V1Rest(rest).login('Ada')
    const client = new V1ApiClient(sockets, token)
    await client.start()
    const stream = new V1Socket(sockets, token, '/ws/v1/messages')
    assert.equal((await stream.next('subscribed')).stream, 'messages')
    // One port serves both, for what works the REST address out of the other.
    const robust = await startRobustAgent(rest, 'Robust')
    await robust.next('heartbeat_ack')
    assert.equal((await client.next('insight')).sender_name, 'Robust')
    assert.equal((await client.next('broadcast')).content, 'Robust is thinking')
    await stream.next('broadcast')

    const sent = await client.request('message', { recipient_id: robust.aiId, content: 'hello' })
    assert.deepEqual([sent.type, sent.recipients], ['message_sent', 1])
    await robust.next('message')
    const answer = await client.next('message')
    assert.deepEqual([answer.sender_name, answer.content], ['Robust', 'You said: hello'])
    const refused = await client.request('message', { recipient_name: 'Nobody', content: 'hello' })
    assert.equal(refused.code, 'ERR_RECIPIENT')
    await Promise.all([client.close(), stream.close(), robust.close()])
  })
})

test('what killed a connection of the original does not, and what must end it has a code', async () => {
  await withHub(async ({ rest, sockets }) => {
    const { token } = await new V1Rest(rest).login('Ada')
    for (const stream of ['connect', 'messages', 'collaboration', 'session']) {
      const socket = new V1Socket(sockets, token, `/ws/v1/${stream}`)
      await socket.next(stream === 'connect' ? 'connected' : 'subscribed')
      socket.send({ type: 'ping' })
      await socket.next('pong')
      socket.raw('[]')
      assert.equal(await socket.closed, 4000)
      assert.equal((await socket.next('error')).code, 'ERR_REQUEST_INVALID')
    }
  })
})

test('a token that was revoked opens no socket, and neither does a refresh token', async () => {
  await withHub(async ({ rest, sockets }) => {
    const ada = new V1Rest(rest)
    const { token, refreshToken } = await ada.login('Ada')
    const refuses = async (bad: string): Promise<void> => {
      const socket = new V1Socket(sockets, bad)
      assert.equal((await socket.next('error')).error, 'Authentication failed')
      assert.equal(await socket.closed, 4401)
    }
    await refuses(refreshToken)
    await ada.logout()
    await refuses(token)
    await refuses('')
  })
})

test('what was sent to an agent that was away is in its inbox', async () => {
  await withHub(async ({ rest, sockets }) => {
    const [ada, bob] = [new V1Rest(rest), new V1Rest(rest)]
    const [a, b] = [await ada.login('Ada'), await bob.login('Bob')]
    const socket = new V1Socket(sockets, a.token)
    await socket.next('connected')
    await ada.send(b.aiId, 'one')
    socket.send({ type: 'message', recipient_id: b.aiId, content: 'two', request_id: '1' })
    await socket.next('message_sent')
    const late = new V1Socket(sockets, b.token)
    await late.next('connected')
    late.send({ type: 'ping' })
    await late.next('pong')
    assert.deepEqual(late.frames, [])
    const { messages } = await bob.inbox()
    assert.deepEqual(
      messages.map(({ content }: { content: string }) => content),
      ['two', 'one'],
    )
    await Promise.all([socket.close(), late.close()])
  })
})

test('a client that comes and goes leaves nothing behind', async () => {
  await withHub(async ({ rest, sockets }) => {
    const { token } = await new V1Rest(rest).login('Ada')
    for (let count = 0; count < 20; count += 1) {
      const socket = new V1Socket(sockets, token)
      await socket.next('connected')
      await socket.close()
    }
  })
})
