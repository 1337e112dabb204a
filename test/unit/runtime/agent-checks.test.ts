import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkNames, type CheckName } from '../../../src/health/finding.ts'
import type { Log } from '../../../src/platform/log.ts'
import { createAgentHealth } from '../../../src/runtime/agent-health.ts'
import { AgentTimes } from '../../../src/runtime/agent-times.ts'
import type { AgentEvents } from '../../../src/runtime/agent.ts'
import { Emitter } from '../../../src/runtime/emitter.ts'
import type { LiveSession } from '../../../src/runtime/live-session.ts'
import { SettingsSource } from '../../../src/settings/settings.ts'
import { outside, SimulatedClock, SimulatedSensors } from '../../../src/testing/index.ts'
import { FakeAgent } from '../../helpers/fake-agent.ts'

const settings = new SettingsSource({ readFile: () => undefined }, '/home').current.base.health
const note = (): void => undefined
const log: Log = { debug: note, info: note, warn: note, error: note, with: () => log }
const hourMs = 3_600_000

/** An agent at its hub, all of whose facts a test can set. */
class Patient extends FakeAgent {
  readonly emitter = new Emitter((_event, error) => {
    throw error
  })
  /** Age of the oldest entry of each queue, ms. */
  readonly waits: { inbox?: number; outbox?: number } = {}
  readonly clock = new SimulatedClock()
  readonly sensors = new SimulatedSensors()
  freeBytes = 50e9
  restarts = 0
  override session: LiveSession = {
    state: 'online',
    reason: 'resumed',
    since: 0,
    attempts: 0,
    nextTryMs: null,
    roundTripMs: 5,
    clockSkewMs: 1,
    heardAgoMs: 100,
  }
  override reader = {
    all: () => [],
    get: <Row>(sql: string) => {
      const waitMs = /FROM inbox/.test(sql)
        ? this.waits.inbox
        : /FROM outbox/.test(sql)
          ? this.waits.outbox
          : undefined
      return waitMs === undefined ? undefined : ({ since: this.clock.for(outside).now() - waitMs } as Row)
    },
  }
  readonly checked = createAgentHealth({
    agent: this,
    clock: this.clock.for(outside),
    log,
    sensors: this.sensors,
    disk: { freeBytes: () => this.freeBytes },
    settings: () => settings,
    times: new AgentTimes(),
    restarts: () => this.restarts,
    onChange: note,
  })

  override on<Name extends keyof AgentEvents>(name?: Name, listener?: (event: AgentEvents[Name]) => void) {
    return name === undefined || listener === undefined ? note : this.emitter.on(name, listener)
  }

  online(own: Partial<LiveSession>): void {
    this.session = { ...this.session, ...own }
  }

  reads(own: Partial<SimulatedSensors['reading']>): void {
    this.sensors.reading = { ...this.sensors.reading, ...own }
  }
}

type AgentCheck = Exclude<
  CheckName,
  'database' | 'commit_time' | 'connections' | 'admission' | 'waiting' | 'waiting_age'
>

/** What is done to it, after it was well for a while. */
const provocations: Record<AgentCheck, (agent: Patient) => void | Promise<void>> = {
  safe_mode: (agent) => void (agent.safeMode = true),
  connection: (agent) =>
    agent.online({ state: 'backing-off', since: agent.clock.for(outside).now() - 40_000 }),
  heartbeat: (agent) => agent.online({ heardAgoMs: 26_000 }),
  round_trip: (agent) => agent.online({ roundTripMs: 3_000 }),
  token: async (agent) => {
    agent.tokens = { status: () => ({ access: { state: 'expired' } }) } as never
    await agent.clock.runFor(120_000)
  },
  clock_skew: (agent) => agent.online({ clockSkewMs: -60_000 }),
  error_rate: (agent) => {
    for (let turn = 0; turn < 10; turn++)
      agent.emitter.emit('turn:attempt:failed', { turn, error: 'no', retryInMs: null })
  },
  delivery_rate: (agent) => {
    for (let sequence = 0; sequence < 10; sequence++)
      agent.emitter.emit('outbox:message:refused', { sequence, to: 'Bo', error: 'no' })
  },
  inbox: (agent) => void (agent.load = { ...agent.load, inbox: 2_000 }),
  inbox_age: (agent) => {
    agent.load = { ...agent.load, inbox: 1 }
    agent.waits.inbox = 700_000
  },
  outbox: (agent) => void (agent.load = { ...agent.load, outbox: 2_000 }),
  outbox_age: (agent) => {
    agent.load = { ...agent.load, outbox: 1 }
    agent.waits.outbox = 700_000
  },
  progress: async (agent) => {
    agent.load = { ...agent.load, inbox: 1, ready: 1 }
    await agent.clock.runFor(40_000)
  },
  loop_delay: (agent) => agent.reads({ loopDelayMaxMs: 900 }),
  memory: (agent) => agent.reads({ rssBytes: 600 * 2 ** 20 }),
  memory_trend: async (agent) => {
    for (let minute = 0; minute < 70; minute++) {
      agent.reads({ rssBytes: agent.sensors.reading.rssBytes + 2 * 2 ** 20 })
      await agent.clock.runFor(60_000)
    }
  },
  cpu: async (agent) => {
    for (let second = 0; second < 90; second += 5) {
      agent.reads({ cpuMs: agent.sensors.reading.cpuMs + 5_000 })
      await agent.clock.runFor(5_000)
    }
  },
  disk: (agent) => void (agent.freeBytes = 500 * 2 ** 20),
  open_files: (agent) => agent.reads({ openFiles: 900 }),
  restarts: (agent) => void (agent.restarts = 3),
}

for (const check of checkNames) {
  if (!(check in provocations)) continue
  test(`${check}: it is well, is provoked, and is said with what to do, alone`, async () => {
    const agent = new Patient()
    agent.checked.start()
    await agent.clock.runFor(60_000)
    assert.equal(agent.checked.report.reasons.length, 0)
    await provocations[check as AgentCheck](agent)
    // The second sample in a row.
    if (check !== 'cpu') await agent.clock.runFor(11_000)
    const { state, reasons } = agent.checked.report
    assert.deepEqual(
      reasons.map((reason) => reason.check),
      [check],
    )
    assert.notEqual(state, 'healthy')
    assert.match(reasons[0]?.text ?? '', /.{10,}: .{10,}/)
    agent.checked.stop()
    assert.ok(agent.clock.monotonicMs() < 2 * hourMs)
  })
}
