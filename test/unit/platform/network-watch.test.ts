import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNodeNetworkWatch } from '../../../src/platform/node/network-watch.ts'

test('says which addresses came and went, and nothing while they stay', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let addresses = ['10.0.0.7', '2001:db8::7']
  const told: string[] = []
  const unwatch = createNodeNetworkWatch(() => addresses).watch((what) => void told.push(what))
  t.mock.timers.tick(30_000)
  addresses = ['2001:db8::7', '10.0.0.7']
  t.mock.timers.tick(3_000)
  assert.deepEqual(told, [])
  addresses = ['192.168.1.5', '2001:db8::7']
  t.mock.timers.tick(3_000)
  assert.deepEqual(told, ['the addresses of this machine have changed (+192.168.1.5 -10.0.0.7)'])
  addresses = []
  t.mock.timers.tick(3_000)
  assert.equal(told.length, 2)
  unwatch()
  addresses = ['10.0.0.7']
  t.mock.timers.tick(30_000)
  assert.equal(told.length, 2)
})

test('looks at what the system says, without loopback', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const told: string[] = []
  const unwatch = createNodeNetworkWatch().watch((what) => void told.push(what))
  t.mock.timers.tick(9_000)
  unwatch()
  assert.deepEqual(told, [])
})
