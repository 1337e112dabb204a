import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import { hubAddress, hubAddressList } from '../../../src/session/hub-address.ts'

function isUsage(message: RegExp) {
  return (error: unknown) =>
    error instanceof PerduraError && error.code === 'ERR_USAGE' && message.test(error.message)
}

for (const [text, key, webSocketUrl] of [
  ['http://127.0.0.1:8767', 'http://127.0.0.1:8767', 'ws://127.0.0.1:8768'],
  ['ws://127.0.0.1:8768', 'http://127.0.0.1:8767', 'ws://127.0.0.1:8768'],
  ['http://hub:9000/', 'http://hub:9000', 'ws://hub:9000'],
  ['wss://hub.example', 'https://hub.example:443', 'wss://hub.example:443'],
  ['http://[::1]:9000', 'http://[::1]:9000', 'ws://[::1]:9000'],
  ['http://hub:9000+ws://hub:9001', 'http://hub:9000', 'ws://hub:9001'],
  ['wss://hub:9001+https://hub:9000', 'https://hub:9000', 'wss://hub:9001'],
] as const) {
  test(`${text} is ${key} and ${webSocketUrl}`, () => {
    const address = hubAddress(text)
    assert.deepEqual([address.key, address.webSocketUrl], [key, webSocketUrl])
  })
}

for (const [text, message] of [
  ['http://hub/path', /has no path/],
  ['http://hub:1+ws://other:2', /on one host/],
  ['http://hub:1+wss://hub:2', /both have TLS or neither/],
  ['http://hub:1+http://hub:2', /written http:\/\/host:port\+ws:\/\/host:port/],
  ['http://hub:1+ws://hub:2+ws://hub:3', /written http:\/\/host:port\+ws:\/\/host:port/],
  ['hub:1', /must begin with/],
  ['http://me:geheim@hub', /must not hold/],
] as const) {
  test(`${text} is no address of a hub`, () => {
    assert.throws(() => hubAddress(text), isUsage(message))
  })
}

test('several addresses are a list, or a text with commas, each counted once', () => {
  const keys = (urls: string | string[]): string[] => hubAddressList(urls).map(({ key }) => key)
  const both = ['http://a:1', 'http://b:2']
  assert.deepEqual(keys('http://a:1, http://b:2'), both)
  assert.deepEqual(keys(both), both)
  assert.deepEqual(keys(['http://a:1,ws://b:2', 'http://b:2']), both)
  for (const none of ['', 'http://a,', ',', []]) assert.throws(() => hubAddressList(none), isUsage(/./))
  const many = Array.from({ length: 17 }, (_, index) => `http://a:${index + 1}`)
  assert.throws(() => hubAddressList(many), isUsage(/at most 16/))
})
