import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection, ConnectionSink } from '../../../src/platform/transport.ts'
import { SimulatedHttp, SimulatedNetwork, SimulatedTransport } from '../../../src/testing/index.ts'
import { createSimulation } from '../../helpers/simulated-machine.ts'
import { connect, createAcceptor, testTransportBehaviour } from '../../helpers/transport-behaviour.ts'

const options = { headers: { authorization: 'Bearer x' }, frameBytesMax: 100 }

testTransportBehaviour(async (run) => {
  const machine = createSimulation('behaviour')
  const network = new SimulatedNetwork(machine)
  const client = machine.boot()
  await run({
    transport: new SimulatedTransport({ ...machine, network }).for(client),
    listener: new SimulatedHttp({ ...machine, network }).listenerFor(machine.boot()),
    settle: (promise) => machine.clock.settle(promise),
  })
})

function recorder(events: string[], name = ''): ConnectionSink {
  return {
    onOpen: () => events.push(`${name}open`),
    onFrame: (frame) => events.push(`${name}${frame}`),
    onClose: ({ code, reason, status }) =>
      events.push([`${name}close ${code} ${reason}`, status].join(' ').trim()),
  }
}

function createPair(seed: number) {
  const machine = createSimulation(seed)
  const transport = new SimulatedTransport(machine)
  const process = machine.boot()
  const events: string[] = []
  let server: Connection | undefined
  transport.serve('ws://hub:1', ({ headers }, peer) => {
    server = peer
    assert.equal(headers['authorization'], 'Bearer x')
    return recorder(events, 'server ')
  })
  const client = transport.for(process).connect('ws://hub:1/ws?x=1', options, recorder(events))
  return { ...machine, transport, process, events, client, server: () => server! }
}

test('carries frames both ways, in order', async () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const { clock, events, client, server } = createPair(seed)
    await clock.runUntilQuiet()
    for (const frame of ['1', '2', '3', '4']) client.send(frame)
    await clock.runUntilQuiet()
    for (const frame of ['a', 'b', 'c']) server().send(frame)
    await clock.runUntilQuiet()
    const frames = ['server 1', 'server 2', 'server 3', 'server 4', 'a', 'b', 'c']
    assert.deepEqual(events, ['server open', 'open', ...frames])
  }
})

test('delivers what was sent before a close, and closes each side once', async () => {
  const { clock, events, client } = createPair(1)
  await clock.runUntilQuiet()
  client.send('last')
  client.close(4_000, 'bye')
  client.send('lost')
  client.close(4_001, 'again')
  await clock.runUntilQuiet()
  assert.deepEqual(events, ['server open', 'open', 'server last', 'server close 4000 bye', 'close 4000 bye'])
})

test('drops a connection at once on this side, and tells the other', async () => {
  const { clock, events, client, server } = createPair(1)
  await clock.runUntilQuiet()
  client.terminate()
  server().send('too late')
  await clock.runUntilQuiet()
  assert.deepEqual(events.slice(2), ['close 1006 terminated', 'server close 1006 the other side is gone'])
})

test('tells a refusal with its status, and that nobody is there', async () => {
  const machine = createSimulation(1)
  const transport = new SimulatedTransport(machine)
  const events: string[] = []
  const port = transport.for(machine.boot())
  const stop = transport.serve('ws://hub:1', () => ({ status: 401 }))
  port.connect('ws://hub:1/', options, recorder(events))
  await machine.clock.runUntilQuiet()
  stop()
  port.connect('ws://hub:1/', options, recorder(events))
  await machine.clock.runUntilQuiet()
  assert.deepEqual(events, [
    'close 1006 the upgrade was refused with 401 401',
    'close 1006 connect ECONNREFUSED',
  ])
})

test('tells the server when the client dies, and the client nothing', async () => {
  const { clock, events, process } = createPair(1)
  await clock.runUntilQuiet()
  process.kill()
  await clock.runUntilQuiet()
  assert.deepEqual(events.slice(2), ['server close 1006 the other side is gone'])
})

test('is called off while it connects', async () => {
  const { clock, events, client } = createPair(1)
  client.terminate()
  await clock.runUntilQuiet()
  assert.deepEqual(
    events.filter((event) => !event.startsWith('server')),
    ['close 1006 terminated'],
  )
})

test('does not take frames before it is open', () => {
  const { client } = createPair(1)
  assert.throws(() => client.send('early'), /before the connection was open/)
})

test('tells the client when the process of its server dies, and the server nothing', async () => {
  const machine = createSimulation(1)
  const network = new SimulatedNetwork(machine)
  const hub = machine.boot()
  const { accept, next } = createAcceptor()
  const upgrade = { frameBytesMax: 100, accept }
  const listening = await new SimulatedHttp({ ...machine, network })
    .listenerFor(hub)
    .listen({ host: 'hub', port: 1 }, { bodyBytesMax: 1, upgrade }, () => assert.fail())
  assert.deepEqual(listening.address, { host: 'hub', port: 1 })
  const transport = new SimulatedTransport({ ...machine, network }).for(machine.boot())
  const client = connect(transport, 'ws://hub:1/')
  await machine.clock.settle(client.seen('open'))
  const server = await next()
  hub.kill()
  assert.equal((await machine.clock.settle(client.closed)).code, 1006)
  assert.equal((await machine.clock.settle(connect(transport, 'ws://hub:1/').closed)).code, 1006)
  assert.deepEqual(server.events, ['open'])
})

test('takes no code and no reason that a real one would not take', async () => {
  const { clock, client } = createPair(1)
  await clock.runUntilQuiet()
  assert.throws(() => client.close(1_006, ''), TypeError)
  assert.throws(() => client.close(4_000, 'x'.repeat(124)), RangeError)
})
