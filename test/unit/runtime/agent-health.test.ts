import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Log } from '../../../src/platform/log.ts'
import { createAgentHealth } from '../../../src/runtime/agent-health.ts'
import type { AgentEvents, AgentHealth } from '../../../src/runtime/agent.ts'
import { agentMetrics } from '../../../src/runtime/agent-metrics.ts'
import { AgentTimes } from '../../../src/runtime/agent-times.ts'
import { countEvents } from '../../../src/runtime/counters.ts'
import { Emitter } from '../../../src/runtime/emitter.ts'
import { SettingsSource } from '../../../src/settings/settings.ts'
import { outside, SimulatedClock, SimulatedSensors } from '../../../src/testing/index.ts'
import { parseExposition, valueOf } from '../../helpers/exposition-parser.ts'
import { FakeAgent } from '../../helpers/fake-agent.ts'

const settings = new SettingsSource({ readFile: () => undefined }, '/home').current.base.health
const log: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => log,
}

/** An agent of which a test says how it is. */
class TestAgent extends FakeAgent {
  readonly emitter = new Emitter((_event, error) => {
    throw error
  })
  override on<Name extends keyof AgentEvents>(name?: Name, listener?: (event: AgentEvents[Name]) => void) {
    return name === undefined || listener === undefined ? () => undefined : this.emitter.on(name, listener)
  }
}

function watched() {
  const agent = new TestAgent()
  const clock = new SimulatedClock()
  const sensors = new SimulatedSensors()
  const world = {
    agent,
    clock,
    sensors,
    freeBytes: 50e9,
    diskBroken: false,
    health: undefined as never as AgentHealth,
  }
  world.health = createAgentHealth({
    agent,
    clock: clock.for(outside),
    log,
    sensors,
    disk: {
      freeBytes: () => {
        if (world.diskBroken) throw new Error('gone')
        return world.freeBytes
      },
    },
    settings: () => settings,
    times: new AgentTimes(),
    onChange: () => undefined,
  })
  agent.health = world.health
  world.health.start()
  return world
}

test('an agent is ready from its start, and says why it is not, at once', async () => {
  const world = watched()
  const notReady = (): readonly string[] => world.health.report.notReady
  assert.deepEqual(notReady(), [])
  world.agent.safeMode = true
  assert.deepEqual(notReady(), ['it is in safe mode'])
  world.agent.safeMode = false
  world.freeBytes = 1_000_000
  assert.deepEqual(notReady(), ['the disk is full'])
  // A disk that cannot be asked is no full one.
  world.diskBroken = true
  assert.deepEqual(notReady(), [])
  world.agent.load = { ...world.agent.load, inboxRoom: 0 }
  assert.deepEqual(notReady(), ['the inbox is full'])
  world.agent.load = { ...world.agent.load, inboxRoom: 5 }
  world.health.stop()
  assert.deepEqual(notReady(), ['it is stopping'])
  assert.ok(world.sensors.closed)
})

test('work that nobody does makes it stalled, unhealthy and not ready; work that is done ends that', async () => {
  const { agent, clock, health } = watched()
  agent.load = { ...agent.load, inbox: 3, ready: 3 }
  await clock.runFor(100_000)
  assert.equal(health.stalled, false)
  await clock.runFor(40_000)
  assert.equal(health.stalled, true)
  assert.equal(health.report.state, 'unhealthy')
  assert.deepEqual(health.report.reasons[0]?.check, 'progress')
  assert.deepEqual(health.report.notReady, ['there is work, and nothing of it is done'])
  agent.emitter.emit('turn:done', { turn: 1, durationMs: 5 })
  await clock.runFor(60_000)
  assert.equal(health.stalled, false)
  health.stop()
})

test('a turn that runs for half an hour is work, whatever waits behind it', async () => {
  const { agent, clock, health } = watched()
  agent.load = { ...agent.load, inbox: 5, ready: 4, running: 1 }
  await clock.runFor(1_800_000)
  assert.equal(health.stalled, false)
  assert.deepEqual(health.report.notReady, [])
  health.stop()
})

test('what it measures by itself is from its events, each in seconds', async () => {
  const { agent, clock, health } = watched()
  const session = (from: string, to: string): void =>
    agent.emitter.emit('session:state:changed', { from, to, reason: '' })
  session('connecting', 'online')
  assert.equal(health.times.reconnect.count, 0)
  session('online', 'backing-off')
  await clock.runFor(700)
  session('backing-off', 'connecting')
  await clock.runFor(300)
  session('connecting', 'online')
  assert.deepEqual([health.times.reconnect.count, health.times.reconnect.sum], [1, 1])
  agent.emitter.emit('turn:done', { turn: 1, durationMs: 250 })
  assert.deepEqual([health.times.turn.count, health.times.turn.sum], [1, 0.25])
  health.stop()
})

test('metrics have every figure that there is, in base units, and leave out the others', async () => {
  const { agent, clock, health, sensors } = watched()
  sensors.reading = { ...sensors.reading, loopDelayMaxMs: 1_500, rssBytes: 70_000_000, openFiles: undefined }
  const counters = countEvents(agent)
  await clock.runFor(20_000)
  for (let turn = 0; turn < 3; turn++) agent.emitter.emit('turn:done', { turn, durationMs: 5 })
  agent.emitter.emit('outbox:message:expired', { sequence: 1, to: 'Bo', reason: 'ttl' })
  const text = agentMetrics({
    agent,
    counters,
    startedAt: 1_700_000_000_000,
    version: '1.2.3',
    node: '24.0.0',
  })
  const families = parseExposition(text)
  assert.equal(valueOf(families, 'perdura_process_start_time_seconds'), 1_700_000_000)
  assert.equal(valueOf(families, 'perdura_event_loop_delay_max_seconds'), 1.5)
  assert.equal(valueOf(families, 'perdura_process_resident_memory_bytes'), 70_000_000)
  assert.equal(valueOf(families, 'perdura_turns_done_total'), 3)
  assert.equal(valueOf(families, 'perdura_outbox_expired_total'), 1)
  assert.equal(valueOf(families, 'perdura_ready'), 1)
  for (const absent of ['perdura_process_open_files', 'perdura_hub_online', 'perdura_turn_error_ratio']) {
    assert.ok(!families.has(absent), absent)
  }
  const state = families.get('perdura_health_state')?.samples.find(({ value }) => value === 1)
  assert.deepEqual(state?.labels, { state: 'degraded' })
  assert.ok([...families.keys()].every((name) => name.startsWith('perdura_')))
  health.stop()
})
