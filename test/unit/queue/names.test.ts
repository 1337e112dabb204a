import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isParty } from '../../../src/queue/names.ts'

test('a party has any name that a hub allows', () => {
  for (const name of ['Ada', 'Ada Lovelace', 'Зоя', '李', 'a'.repeat(128), '#7', '🦊', 'x/../y']) {
    assert.equal(isParty(name), true, name)
  }
  for (const name of ['', ' Ada', 'Ada ', '\u00a0', 'a\nb', 'a\0', '\u009b', '\ud800', 'a'.repeat(129), 7]) {
    assert.equal(isParty(name), false, JSON.stringify(name))
  }
})
