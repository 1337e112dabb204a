import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainTimeUs } from '../../../src/protocol/plain-server.ts'
import { contentOf, contentText, markerOf, readMarker } from '../../../src/session/plain-marker.ts'
import type { PlainOutbound } from '../../../src/session/plain-store.ts'

const message: PlainOutbound = {
  sequence: 1,
  id: '3f1d8a52-0c1f-4b7e-9d55-6a2b1c0d9e8f',
  recipient: 'Bob',
  conversation: 'a:talk',
  content: { text: 'hello' },
  hops: 2,
  inReplyTo: 'm/1',
  asked: false,
}
const ada = { id: 3, name: 'Ada' }

test('what an agent says of a message stands in its subject, and comes back', () => {
  const subject = markerOf(message, ada)
  assert.equal(subject, `perdura:3:j:2:${message.id}:m%2F1:a%3Atalk`)
  assert.deepEqual(readMarker(subject, 3), {
    id: message.id,
    isJson: true,
    hops: 2,
    inReplyTo: 'm/1',
    conversation: 'a:talk',
  })
})

test('a conversation without an answered message comes back too, and the usual one is left out', () => {
  const first = { ...message, inReplyTo: undefined }
  assert.deepEqual(readMarker(markerOf(first, ada), 3)?.conversation, 'a:talk')
  assert.equal(readMarker(markerOf(first, ada), 3)?.inReplyTo, undefined)
  assert.equal(markerOf({ ...first, conversation: 'Ada' }, ada), `perdura:3:j:2:${message.id}`)
})

test('a subject never has more than the 255 characters that its column takes', () => {
  for (const conversation of ['é'.repeat(256), 'c'.repeat(200)]) {
    for (const inReplyTo of ['ü'.repeat(256), 'm'.repeat(180), 'm1']) {
      const subject = markerOf({ ...message, conversation, inReplyTo }, ada)
      assert.ok(subject.length <= 255)
      assert.equal(readMarker(subject, 3)?.id, message.id)
    }
  }
})

test('a marker counts only in messages of whoever wrote it', () => {
  const subject = markerOf(message, ada)
  assert.equal(readMarker(subject, 4), undefined)
  assert.equal(readMarker(`Re: ${subject}`, 3), undefined)
  assert.equal(readMarker('hello', 3), undefined)
  assert.equal(readMarker(null, 3), undefined)
  assert.equal(readMarker('perdura:3:t:0:id:%E0%A4%A', 3)?.inReplyTo, undefined)
})

test('content that is no text travels as JSON text, and only marked text is read as JSON', () => {
  const marker = readMarker(markerOf(message, ada), 3)
  assert.deepEqual(contentOf(contentText(message.content), marker), { text: 'hello' })
  assert.equal(contentOf('{"text":"hello"}', undefined), '{"text":"hello"}')
  assert.equal(contentOf('{broken', marker), '{broken')
  assert.equal(contentText('[1]'), '[1]')
})

test('reads times with and without fraction and zone', () => {
  const second = Date.UTC(2026, 10, 22, 15, 20, 10) * 1_000
  assert.equal(plainTimeUs('2026-11-22T15:20:10.558086+00:00'), second + 558_086)
  assert.equal(plainTimeUs('2026-11-22T15:20:10.5'), second + 500_000)
  assert.equal(plainTimeUs('2026-11-22T15:20:10'), second)
  assert.equal(plainTimeUs('2026-11-22T16:20:10+01:00'), second)
  assert.equal(plainTimeUs('2026-11-22T15:20:10Z'), second)
  for (const none of ['', 'yesterday', '2026-13-45T99:00:00', null, undefined])
    assert.equal(plainTimeUs(none), 0)
})
