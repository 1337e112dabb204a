import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createSeededRandom,
  SimulatedClock,
  SimulatedHttp,
  SimulatedNetwork,
  SimulatedProcess,
  SimulatedTransport,
} from '../../../src/testing/index.ts'
import { answerOf, requestOf, textOf } from '../../helpers/http-behaviour.ts'
import { createSimulation } from '../../helpers/simulated-machine.ts'
import { connect, createAcceptor, type Peer } from '../../helpers/transport-behaviour.ts'

const address = { host: 'hub', port: 8_767 }
const url = 'ws://hub:8767/ws'
const timeoutMs = 5_000

/** The host `ada` with a client, and the host `hub` with a server that answers requests with their path. */
async function createHosts(seed: number | string) {
  const machine = createSimulation(seed)
  const network = new SimulatedNetwork(machine)
  const http = new SimulatedHttp({ ...machine, network })
  const ada = network.place(machine.boot(), 'ada')
  const hub = network.place(machine.boot(), 'hub')
  const transport = new SimulatedTransport({ ...machine, network }).for(ada)
  const { accept, next } = createAcceptor()
  const upgrade = { frameBytesMax: 1_000, accept }
  let requests = 0
  await http.listenerFor(hub).listen(address, { bodyBytesMax: 1_000, upgrade }, async ({ path }) => {
    requests += 1
    return answerOf(path)
  })
  const request = () => http.clientFor(ada).request(address, requestOf('/x'), { timeoutMs })
  const open = async (): Promise<readonly [client: Peer, server: Peer]> => {
    const client = connect(transport, url)
    const server = await machine.clock.settle(next())
    await machine.clock.settle(client.seen('open'))
    // And the acknowledgements.
    await machine.clock.runFor(10)
    return [client, server]
  }
  return { ...machine, network, http, ada, hub, transport, next, request, open, requests: () => requests }
}

test('delivers in order what was held while the way was down', async () => {
  const { clock, network, open } = await createHosts(1)
  const [client, server] = await open()
  network.link('ada', 'hub').down = true
  for (const frame of ['1', '2', '3']) client.connection.send(frame)
  assert.equal(client.connection.bufferedBytes, 3)
  await clock.runFor(10_000)
  assert.deepEqual(server.events, ['open'])
  network.heal()
  client.connection.send('4')
  await clock.runFor(60_000)
  assert.deepEqual(server.events, ['open', '1', '2', '3', '4'])
  assert.deepEqual(client.events, ['open'])
  assert.equal(client.connection.bufferedBytes, 0)
  assert.equal(network.reached.get('frame:held'), 3)
  assert.equal(network.reached.get('frame:late'), 3)
})

test('ends on the side of who sends into the void, and leaves the other half-open', async () => {
  const { clock, network, open } = await createHosts(1)
  const [client, server] = await open()
  network.partition('ada', 'hub')
  const sentMs = clock.monotonicMs()
  client.connection.send('lost')
  const close = await clock.settle(client.closed)
  assert.deepEqual(close, { code: 1006, reason: 'the other side does not answer' })
  assert.equal(clock.monotonicMs() - sentMs, network.retransmitMs)
  network.heal()
  await clock.runFor(3_600_000)
  assert.deepEqual(server.events, ['open'])
  server.connection.send('anyone?')
  assert.deepEqual(await clock.settle(server.closed), { code: 1006, reason: 'connection reset' })
  assert.equal(network.tied, 0)
})

test('delivers one way, and ends where the acknowledgement does not come', async () => {
  const { clock, network, open } = await createHosts(1)
  const [client, server] = await open()
  network.link('hub', 'ada').down = true
  client.connection.send('delivered')
  await clock.settle(server.seen('delivered'))
  server.connection.send('answer')
  assert.equal((await clock.settle(client.closed)).code, 1006)
  assert.equal((await clock.settle(server.closed)).code, 1006)
  assert.deepEqual(client.events, ['open', 'close'])
  assert.equal(network.tied, 0)
})

test('goes on when the acknowledgement comes in time', async () => {
  const { clock, network, open } = await createHosts(1)
  const [client, server] = await open()
  network.link('hub', 'ada').down = true
  client.connection.send('delivered')
  await clock.runFor(10_000)
  network.heal('ada', 'hub')
  await clock.runFor(60_000)
  assert.deepEqual([client.events, server.events], [['open'], ['open', 'delivered']])
})

test('is reset late where the reset itself was lost', async () => {
  const { clock, network, ada, open } = await createHosts(1)
  const [client, server] = await open()
  network.link('ada', 'hub').down = true
  ada.kill()
  await clock.runFor(60_000)
  server.connection.send('anyone?')
  await clock.runFor(5_000)
  network.heal()
  assert.equal((await clock.settle(server.closed)).reason, 'connection reset')
  assert.deepEqual(client.events, ['open'])
  assert.equal(network.tied, 0)
})

test('gives up a handshake that is not answered', async () => {
  const { clock, network, transport } = await createHosts(1)
  network.link('ada', 'hub').down = true
  const close = await clock.settle(connect(transport, url).closed)
  assert.deepEqual(close, { code: 1006, reason: 'Opening handshake has timed out' })
  assert.equal(clock.monotonicMs(), 15_000)
  assert.equal(network.reached.get('connect:timeout'), 1)
  assert.equal(network.tied, 0)
})

test('opens on the side of the server alone when the answer to the handshake is lost', async () => {
  const { clock, network, transport, next } = await createHosts(1)
  network.link('hub', 'ada').down = true
  const client = connect(transport, url)
  const server = await clock.settle(next())
  await clock.settle(client.closed)
  assert.deepEqual(client.events, ['close'])
  await clock.settle(server.closed)
  assert.deepEqual(server.events, ['open', 'close'])
})

test('opens late when the way is up again before the client gives up', async () => {
  const { clock, network, transport } = await createHosts(1)
  network.partition('ada', 'hub')
  const client = connect(transport, url)
  await clock.runFor(5_000)
  network.heal()
  await clock.settle(client.seen('open'))
})

test('closes without the other side when no close comes back', async () => {
  const { clock, network, open } = await createHosts(1)
  network.retransmitMs = 60_000
  const [client, server] = await open()
  network.partition('ada', 'hub')
  const closedMs = clock.monotonicMs()
  client.connection.close(1_000, 'bye')
  assert.equal((await clock.settle(client.closed)).code, 1006)
  assert.equal(clock.monotonicMs() - closedMs, 30_000)
  assert.deepEqual(server.events, ['open'])
})

test('delivers a frame of an old connection after the new one is open', async () => {
  let overtaken = 0
  for (let seed = 0; seed < 20; seed += 1) {
    const { clock, network, open, transport, next } = await createHosts(seed)
    network.delayMs = { min: 1, max: 200 }
    const [old, oldServer] = await open()
    old.connection.send('late')
    old.connection.terminate()
    const fresh = connect(transport, url)
    const freshServer = await clock.settle(next())
    await clock.settle(freshServer.seen('open'))
    const before = oldServer.events.includes('late')
    await clock.settle(Promise.all([fresh.seen('open'), oldServer.closed]))
    assert.deepEqual(oldServer.events, ['open', 'late', 'close'])
    if (!before) overtaken += 1
    assert.equal(network.reached.get('frame:overtaken') ?? 0, before ? 0 : 1)
  }
  assert.ok(overtaken > 2 && overtaken < 18, `${overtaken} of 20`)
})

test('cuts a connection, so that its last frame is lost and each side is told by itself', async () => {
  const { clock, network, open } = await createHosts(1)
  const [client, server] = await open()
  client.connection.send('asked')
  await clock.settle(server.seen('asked'))
  server.connection.send('answered')
  network.cut('hub', 'ada')
  assert.equal((await clock.settle(client.closed)).reason, 'connection reset')
  assert.equal((await clock.settle(server.closed)).reason, 'connection reset')
  assert.deepEqual(client.events, ['open', 'close'])
  assert.equal(network.reached.get('cut'), 1)
  assert.equal(network.tied, 0)
})

test('leaves a cut connection half-open until it is used', async () => {
  const { clock, network, open } = await createHosts(1)
  const [client, server] = await open()
  client.connection.send('on its way')
  network.cut('ada', 'hub', { halfOpenRate: 1 })
  await clock.runFor(3_600_000)
  assert.deepEqual([client.events, server.events], [['open'], ['open']])
  assert.equal(network.reached.get('cut:half-open'), 2)
  client.connection.send('anyone?')
  assert.equal((await clock.settle(client.closed)).reason, 'connection reset')
  assert.deepEqual(server.events, ['open'])
  server.connection.terminate()
  await clock.settle(server.closed)
  assert.equal(network.tied, 0)
})

test('sends again what is lost on the way, so that a frame is late and never gone', async () => {
  const { clock, network, open } = await createHosts(1)
  const [client, server] = await open()
  network.link('ada', 'hub').lossRate = 0.3
  const frames = Array.from({ length: 50 }, (_, index) => String(index))
  for (const frame of frames) client.connection.send(frame)
  await clock.runFor(60_000)
  assert.deepEqual(server.events, ['open', ...frames])
  assert.ok(network.reached.get('retransmit')! > 5)
})

test('loses requests and answers, each way by itself', async () => {
  const { clock, network, request, requests } = await createHosts(1)
  network.link('ada', 'hub').down = true
  await clock.settle(assert.rejects(request(), /no answer in time/))
  assert.equal(requests(), 0)
  network.heal()
  network.link('hub', 'ada').down = true
  await clock.settle(assert.rejects(request(), /no answer in time/))
  assert.equal(requests(), 1)
  network.heal()
  network.link('hub', 'ada').lossRate = 0.5
  let lost = 0
  for (let count = 0; count < 20; count += 1) await clock.settle(request().catch(() => (lost += 1)))
  assert.equal(requests(), 21)
  assert.ok(lost > 2 && lost < 18)
  assert.equal(network.tied, 0)
})

test('resets the requests under way when it is cut', async () => {
  const { clock, network, http, ada } = await createHosts(1)
  http.serve({ host: 'other', port: 1 }, () => new Promise<never>(() => {}))
  const ask = () =>
    http.clientFor(ada).request({ host: 'other', port: 1 }, requestOf('/'), { timeoutMs: 60_000 })
  const asked = ask()
  await clock.runFor(100)
  network.cut('ada', 'other')
  await clock.settle(assert.rejects(asked, /hung up/))
  const waiting = ask()
  await clock.runFor(100)
  network.cut('ada', 'other', { halfOpenRate: 1 })
  await clock.settle(assert.rejects(waiting, /no answer in time/))
})

test('gives every host its own loopback and its own sockets', async () => {
  const { clock, network, http, boot } = await createHosts(1)
  const seen: (string | undefined)[] = []
  for (const name of ['one', 'two']) {
    const process = network.place(boot(), name)
    for (const local of [{ host: '127.0.0.1', port: 80 }, { socketPath: '/control.sock' }]) {
      await http.listenerFor(process).listen(local, { bodyBytesMax: 1 }, async ({ remoteAddress }) => {
        seen.push(remoteAddress)
        return answerOf(name)
      })
      const answer = await clock.settle(
        http.clientFor(process).request(local, requestOf('/'), { timeoutMs: 100 }),
      )
      assert.equal(textOf(answer), name)
    }
  }
  const other = http.clientFor(network.place(boot(), 'three'))
  await clock.settle(other.request({ host: 'two', port: 80 }, requestOf('/'), { timeoutMs: 100 }))
  assert.deepEqual(seen, ['127.0.0.1', '', '127.0.0.1', '', '10.0.0.1'])
})

/** A client that sends, drops and connects again, over a network that fails in every way. Returns what happened. */
async function storm(seed: number) {
  const hosts = await createHosts(seed)
  const { clock, network, random, transport, next } = hosts
  const draw = random.fork('storm')
  network.delayMs = { min: 1, max: 300 }
  const trace: string[] = []
  const pairs: { client: Peer; sent: string[]; server?: Peer; answers: string[] }[] = []
  const accepted: Peer[] = []
  void (async () => {
    for (;;) accepted.push(await next())
  })()
  let count = 0
  for (let round = 0; round < 60; round += 1) {
    const last = pairs.at(-1)
    const act = draw.int(0, 9)
    if (last === undefined || last.client.events.includes('close') || act === 0) {
      last?.client.connection.terminate()
      pairs.push({ client: connect(transport, `${url}?${pairs.length}`), sent: [], answers: [] })
    } else if (act < 6 && last.client.events.includes('open')) {
      last.sent.push(String((count += 1)))
      last.client.connection.send(String(count))
    } else if (act === 6) network.link('ada', 'hub').down = draw.chance(0.5)
    else if (act === 7) network.link('hub', 'ada').down = draw.chance(0.5)
    else if (act === 8) network.cut('ada', 'hub', { halfOpenRate: 0.5 })
    else network.heal()
    await clock.runFor(draw.int(0, 3_000))
    trace.push(`${clock.monotonicMs()} ${accepted.map(({ events }) => events.join()).join(' ')}`)
  }
  network.heal()
  const fresh = connect(transport, url)
  await clock.settle(fresh.seen('open'), { withinMs: 20_000 })
  return { trace, pairs, accepted, reached: network.reached }
}

test('never loses, doubles or reorders within a connection, whatever happens', async () => {
  const reached = new Set<string>()
  for (let seed = 0; seed < 30; seed += 1) {
    const { pairs, accepted, reached: found } = await storm(seed)
    for (const what of found.keys()) reached.add(what)
    for (const { events } of accepted) {
      const frames = events.filter((event) => /^\d+$/.test(event))
      const pair = pairs.find(({ sent }) => sent.includes(frames[0] ?? ''))
      assert.deepEqual(frames, pair?.sent.slice(0, frames.length) ?? [])
      assert.ok(events.filter((event) => event === 'close').length <= 1)
    }
  }
  const wanted = ['connect:timeout', 'cut', 'cut:half-open', 'frame:held', 'frame:late', 'frame:overtaken']
  for (const what of [...wanted, 'reset', 'unacknowledged', 'fin:held']) assert.ok(reached.has(what), what)
})

test('does the same again for the same seed, and something else for another', async () => {
  const [one, again, other] = [await storm(7), await storm(7), await storm(8)]
  assert.deepEqual(one.trace, again.trace)
  assert.deepEqual([...one.reached], [...again.reached])
  assert.notDeepEqual(one.trace, other.trace)
})

test('tells whoever runs on a host that it got to another network, and nobody else', async () => {
  const clock = new SimulatedClock()
  const network = new SimulatedNetwork({ clock, random: createSeededRandom('watch') })
  const told: string[] = []
  const watch = (host: string): (() => void) =>
    network
      .watchFor(network.place(new SimulatedProcess(), host))
      .watch((what) => void told.push(`${host}: ${what}`))
  const unwatch = watch('laptop')
  watch('server')
  network.changed('laptop', 'wifi')
  await clock.runUntilQuiet()
  assert.deepEqual(told, ['laptop: wifi'])
  unwatch()
  network.changed('laptop', 'cable')
  await clock.runUntilQuiet()
  assert.equal(told.length, 1)
})
