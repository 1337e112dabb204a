import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Call } from '../../../src/cli/call.ts'
import { cloudbrainHub, reconnectArguments, reconnectSettings } from '../../../src/cli/cloudbrain.ts'
import { chooseHub } from '../../../src/cli/hub-choice.ts'
import { Output } from '../../../src/cli/output.ts'
import { PerduraError } from '../../../src/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'perdura-cloudbrain-'))
after(() => rmSync(folder, { recursive: true }))

function call(values: Record<string, string | boolean>, environment: Record<string, string> = {}): Call {
  const nowhere = { write: () => true }
  const colour = { stdout: false, stderr: false }
  const output = new Output({ json: false, quiet: true, colour, stdout: nowhere, stderr: nowhere })
  return new Call({ verb: 'up', arguments: [], values: { home: folder, ...values }, output, environment })
}

function isUsage(message: RegExp) {
  return (error: unknown) =>
    error instanceof PerduraError && error.code === 'ERR_USAGE' && message.test(error.message)
}

const [flag, perdura, server, rest, last] = [
  'http://flag:1',
  'http://perdura:1',
  'ws://server:8768',
  'http://rest:8767',
  'http://last:1',
]

test('the hub is that of the option, of PERDURA_HUB, of CloudBrain, of the last time, in this order', () => {
  const environment = { PERDURA_HUB: perdura, CLOUDBRAIN_SERVER: server }
  for (const option of ['hub', 'server']) {
    const choice = chooseHub(call({ [option]: flag }, environment), last)
    assert.deepEqual(choice, { url: flag, recorded: flag, found: false })
  }
  const chosen = (set: Record<string, string>) => chooseHub(call({}, set), last)
  assert.deepEqual(chosen(environment), { url: perdura, recorded: last, found: false })
  assert.deepEqual(chosen({ CLOUDBRAIN_SERVER: server }), { url: server, recorded: last, found: false })
  assert.deepEqual(chosen({ CLOUDBRAIN_REST_API: rest }), { url: rest, recorded: last, found: false })
  assert.deepEqual(chosen({ PERDURA_HUB: '', CLOUDBRAIN_SERVER: '' }).url, last)
  assert.equal(chooseHub(call({ 'no-hub': true }, environment), last).url, undefined)
  assert.throws(() => chooseHub(call({ hub: flag, server: flag }), last), isUsage(/means the same/))
  assert.throws(() => chooseHub(call({ 'no-hub': true, server: flag }), last), isUsage(/not both/))
})

test("CloudBrain's two addresses may name different ports of one host", () => {
  const both = (server: string, rest: string): string | undefined =>
    cloudbrainHub({ CLOUDBRAIN_SERVER: server, CLOUDBRAIN_REST_API: rest })
  assert.equal(both('ws://h:8768', 'http://h:8767'), 'ws://h:8768')
  assert.equal(both('ws://h:8768/ws/v1', 'http://h:8767/api/v1/'), 'ws://h:8768')
  assert.equal(both('ws://h:9001', 'http://h:9000'), 'http://h:9000+ws://h:9001')
  assert.equal(both('http://h:9001', 'ws://h:9000'), 'ws://h:9000+ws://h:9001'.replace('ws', 'http'))
  assert.equal(both('ws://a:1,ws://b:8768', 'http://a:2, http://b:8767'), 'http://a:2+ws://a:1,ws://b:8768')
  assert.throws(() => both('ws://h:9001', 'http://other:9000'), isUsage(/CLOUDBRAIN_SERVER and .*one host/))
  assert.throws(() => both('ws://a,ws://b', 'http://a'), isUsage(/as many addresses/))
  assert.throws(() => both('ws://a/else', 'http://a'), isUsage(/^CLOUDBRAIN_SERVER: .*no path/))
  assert.throws(
    () => cloudbrainHub({ CLOUDBRAIN_REST_API: 'geheim' }),
    (error: unknown) => {
      return isUsage(/^CLOUDBRAIN_REST_API: /)(error) && !String(error).includes('geheim')
    },
  )
})

test("CloudBrain's variables are in seconds, and options say the same before them", () => {
  const environment = {
    MAX_RECONNECT_ATTEMPTS: '100',
    BASE_RECONNECT_DELAY: '2',
    HEARTBEAT_INTERVAL: '7.5',
  }
  assert.deepEqual(reconnectSettings(call({}, environment)), {
    reconnect: { attemptsMax: 100, baseDelayMs: 2_000 },
    heartbeatMs: 7_500,
  })
  const options = { 'max-reconnect': '5', 'reconnect-delay': '500ms', 'heartbeat-interval': '30' }
  const given = call(options, environment)
  assert.deepEqual(reconnectSettings(given), {
    reconnect: { attemptsMax: 5, baseDelayMs: 500 },
    heartbeatMs: 30_000,
  })
  assert.deepEqual(
    reconnectArguments(given),
    Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
  )
  const none = reconnectSettings(call({}, { MAX_RECONNECT_ATTEMPTS: '' }))
  assert.deepEqual(none, {
    reconnect: { attemptsMax: undefined, baseDelayMs: undefined },
    heartbeatMs: undefined,
  })
})

for (const [variable, option, wrong, rule] of [
  [
    'MAX_RECONNECT_ATTEMPTS',
    'max-reconnect',
    ['0', '-1', '1.5', 'many', '1000001'],
    /whole number from 1 to 1000000/,
  ],
  [
    'BASE_RECONNECT_DELAY',
    'reconnect-delay',
    ['0', '601', '-1', '1e3', 'soon', '11m'],
    /0\.01 to 600 seconds/,
  ],
  ['HEARTBEAT_INTERVAL', 'heartbeat-interval', ['0', '0.5', '301', 'NaN', '5 s'], /1 to 300 seconds/],
] as const) {
  test(`what is wrong with ${variable} or --${option} is said by name, with the rule`, () => {
    for (const value of wrong) {
      const named = (name: string) => (error: unknown) =>
        isUsage(rule)(error) && error instanceof Error && error.message.startsWith(`${name}: must be`)
      assert.throws(() => reconnectSettings(call({}, { [variable]: value })), named(variable), value)
      assert.throws(() => reconnectSettings(call({ [option]: value })), named(`--${option}`), value)
    }
  })
}
