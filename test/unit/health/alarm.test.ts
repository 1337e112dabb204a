import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alarmOf, eventOf, type AlarmFacts } from '../../../src/health/alarm.ts'
import type { Alarm } from '../../../src/health/history/entries.ts'

const well: AlarmFacts = {
  standing: { state: 'up', cause: '', health: 'healthy' },
  downMs: 0,
  safeMode: false,
  failed: false,
}
const restarting: AlarmFacts = {
  ...well,
  standing: { state: 'down', cause: 'killed', health: null },
  downMs: 500,
}
const ill: AlarmFacts = { ...well, standing: { state: 'up', cause: '', health: 'unhealthy' } }

/** The events of what follows one another. */
function events(...facts: AlarmFacts[]): (string | undefined)[] {
  let told: Alarm | undefined
  return facts.map((one) => {
    const alarm = alarmOf(one, told)
    const event = eventOf(told, alarm)
    told = alarm
    return event
  })
}

test('a person is told of what turns unhealthy, once, and when it is well again', () => {
  assert.deepEqual(events(well, ill, ill, well, well), [
    undefined,
    'unhealthy',
    undefined,
    'recovered',
    undefined,
  ])
})

test('degraded is nothing to be told of, and ends what was unhealthy', () => {
  const degraded: AlarmFacts = { ...well, standing: { state: 'up', cause: '', health: 'degraded' } }
  assert.deepEqual(events(degraded, ill, degraded), [undefined, 'unhealthy', 'recovered'])
})

test('a restart is nothing to be told of, and mends nothing that was told', () => {
  assert.deepEqual(events(well, restarting, well), [undefined, undefined, undefined])
  assert.deepEqual(events(ill, restarting, ill, restarting, well), [
    'unhealthy',
    undefined,
    undefined,
    undefined,
    'recovered',
  ])
})

test('one that stays down is told of, and so is one that is not started again', () => {
  const down: AlarmFacts = { ...restarting, downMs: 30_000 }
  assert.deepEqual(events(well, restarting, down, down, well), [
    undefined,
    undefined,
    'unhealthy',
    undefined,
    'recovered',
  ])
  assert.deepEqual(events(well, { ...restarting, failed: true }), [undefined, 'unhealthy'])
})

test('safe mode is told of when it begins and when it ends, over the restarts of both', () => {
  const safe: AlarmFacts = { ...restarting, safeMode: true, downMs: 60_000 }
  assert.deepEqual(events(restarting, safe, safe, restarting, well), [
    undefined,
    'safe_mode_entered',
    undefined,
    undefined,
    'safe_mode_left',
  ])
  assert.deepEqual(events(safe, ill, well), ['safe_mode_entered', 'unhealthy', 'recovered'])
})

test('of one that somebody has stopped, nothing is wrong', () => {
  const stopped: AlarmFacts = { ...well, standing: { state: 'stopped', cause: '', health: null } }
  assert.equal(alarmOf(stopped, 'unhealthy'), undefined)
})
