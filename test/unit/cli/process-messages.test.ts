import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ActivityReport, type ProcessMessage } from '../../../src/cli/process-messages.ts'
import type { Agent } from '../../../src/runtime/agent.ts'
import { countEvents } from '../../../src/runtime/counters.ts'
import { Emitter } from '../../../src/runtime/emitter.ts'
import type { Reader } from '../../../src/store/store.ts'

// Longer than a bundle is collected.
const bundleMs = 60

const reader = { get: () => ({ value: 0 }), all: () => [] } as unknown as Reader

function reporting(send: (message: ProcessMessage) => Promise<void>): Emitter {
  const emitter = new Emitter((_event, error) => {
    throw error
  })
  const agent: Pick<Agent, 'on' | 'reader'> = {
    reader,
    on: (name, listener) => emitter.on(name, listener),
  }
  new ActivityReport(agent, countEvents(agent), send)
  return emitter
}

test('a parent that does not read is sent one bundle, and the newest when it reads again', async () => {
  const sent: ProcessMessage[] = []
  const read: (() => void)[] = []
  const emitter = reporting((message) => {
    sent.push(message)
    return new Promise((resolve) => read.push(resolve))
  })
  for (let round = 0; round < 5; round++) {
    for (let turn = 0; turn < 100; turn++) emitter.emit('turn:done', { turn, durationMs: round })
    await delay(bundleMs)
  }
  assert.equal(sent.length, 1)
  read.shift()?.()
  await delay(bundleMs)
  const last = sent[1]
  assert.equal(last?.type, 'activity')
  assert.equal(last.counters.done, 500)
  assert.equal(last.lines.length, 50)
  read.shift()?.()
  await delay(bundleMs)
  assert.equal(sent.length, 2)
})

test('nothing is reported of an agent that is closed', async () => {
  const sent: ProcessMessage[] = []
  const emitter = reporting(async (message) => void sent.push(message))
  emitter.emit('turn:done', { turn: 1, durationMs: 1 })
  emitter.emit('agent:stop:done', { durationMs: 1, interruptedTurns: 0, openTurns: 0, unsentMessages: 0 })
  await delay(bundleMs)
  assert.equal(sent.length, 0)
})
