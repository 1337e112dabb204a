import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Call } from '../../../src/cli/call.ts'
import { drainWithin } from '../../../src/cli/drain-within.ts'
import { Output } from '../../../src/cli/output.ts'
import {
  longestStopMs,
  restartWaitMs,
  stopTimesOf,
  stopWaitMs,
  wholeStopMs,
} from '../../../src/cli/stop-times.ts'
import { stopSecondsOf } from '../../../src/daemon/service/spec.ts'
import { withFolder } from '../../helpers/folder.ts'

function callIn(home: string): Call {
  const silent = { write: () => true }
  const colour = { stdout: false, stderr: false }
  const output = new Output({ json: false, quiet: true, colour, stdout: silent, stderr: silent })
  return new Call({ verb: 'stop', arguments: [], values: { home }, output, environment: {} })
}

function settings(home: string, document: object): void {
  writeFileSync(join(home, 'config.json'), JSON.stringify(document))
}

/** The record that a daemon keeps of an agent that was started with `--stop-timeout`, or without. */
function record(home: string, folder: string, stopMs?: number): void {
  const launch = {
    arguments: ['run'],
    until_online: [],
    at_home_hub: false,
    environment: {},
    environment_file: null,
    working_folder: '/',
    code_file: null,
    policy: stopMs === undefined ? {} : { stop_ms: stopMs },
  }
  mkdirSync(join(home, folder), { recursive: true })
  const document = { version: 1, wanted: 'running', launch, outcome: null, process: null }
  writeFileSync(join(home, folder, 'supervision.json'), JSON.stringify(document))
}

test('a home that says nothing has the usual times', () =>
  withFolder((home) => {
    assert.deepEqual(stopTimesOf(callIn(home)), { agentsMs: 15_000, hubMs: 15_000 })
    assert.deepEqual(stopTimesOf(callIn(join(home, 'to come'))), { agentsMs: 15_000, hubMs: 15_000 })
    assert.equal(wholeStopMs(callIn(home)), 60_000)
    assert.equal(longestStopMs(callIn(home)), 15_000)
  }))

test('an agent has what its settings say, and before that what it was started with', () =>
  withFolder((home) => {
    settings(home, { agents: { Ada: { supervision: { stop_timeout: '1m' } } } })
    // Nobody keeps an Ada running.
    assert.equal(stopTimesOf(callIn(home))?.agentsMs, 15_000)
    record(home, 'agents/Ada')
    record(home, 'agents/Bo')
    record(home, 'hub')
    assert.deepEqual(stopTimesOf(callIn(home)), { agentsMs: 60_000, hubMs: 15_000 })
    record(home, 'agents/Bo', 90_000)
    assert.deepEqual(stopTimesOf(callIn(home)), { agentsMs: 90_000, hubMs: 15_000 })
    assert.equal(longestStopMs(callIn(home)), 90_000)
    assert.equal(longestStopMs(callIn(home), ['agent:Ada']), 60_000)
    assert.equal(longestStopMs(callIn(home), ['hub']), 15_000)
    // What it was started with holds, also where that is less.
    record(home, 'agents/Ada', 1_000)
    record(home, 'agents/Bo', 1_000)
    assert.deepEqual(stopTimesOf(callIn(home)), { agentsMs: 15_000, hubMs: 15_000 })
    assert.equal(longestStopMs(callIn(home), ['agent:Ada']), 1_000)
  }))

test('what the settings say of all holds for the hub, too', () =>
  withFolder((home) => {
    settings(home, { supervision: { stop_timeout: '30s' } })
    assert.deepEqual(stopTimesOf(callIn(home)), { agentsMs: 30_000, hubMs: 30_000 })
    assert.equal(wholeStopMs(callIn(home)), 80_000)
  }))

test('nothing is known of a home that is not to be understood', () =>
  withFolder((home) => {
    settings(home, { supervision: { stop_timeout: 'soon' } })
    assert.equal(stopTimesOf(callIn(home)), undefined)
    assert.equal(wholeStopMs(callIn(home)), 60_000)
  }))

test('a manager always waits longer than the daemon does', () => {
  for (const agentsMs of [1_000, 15_000, 15_001, 3_600_000])
    for (const hubMs of [1_000, 15_000, 3_600_000])
      // The daemon says that it will have ended 10 s after its children have had their time.
      assert.ok(stopSecondsOf({ agentsMs, hubMs }) * 1_000 > agentsMs + hubMs + 10_000)
})

test('who asks for a stop waits longer than that may take', () =>
  withFolder((home) => {
    const call = callIn(home)
    assert.deepEqual([stopWaitMs(call, 'agent:Ada'), restartWaitMs(call, 'agent:Ada')], [30_000, 60_000])
    settings(home, { agents: { Ada: { supervision: { stop_timeout: '5m' } } } })
    assert.deepEqual([stopWaitMs(call, 'agent:Ada'), restartWaitMs(call, 'agent:Ada')], [315_000, 345_000])
    assert.deepEqual([stopWaitMs(call, 'agent:Bo'), restartWaitMs(call, 'hub')], [30_000, 60_000])
  }))

test('an agent that is killed after some time has put its work down before', () => {
  for (const [stopMs, drainMs] of [
    [1_000, 666],
    [3_000, 2_000],
    [15_000, 10_000],
    [300_000, 295_000],
  ] as const)
    assert.equal(drainWithin(stopMs), drainMs)
})
