import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseIntent, soundsLikeRequest } from '../../../src/mind/reflex/grammar.ts'

const none = { kind: 'unknown' }

for (const [text, intent] of [
  ['', none],
  [' \n\t ', none],
  ['?', none],
  ['???', none],
  ['🔑', none],
  ['🔑?', none],
  ['hello', none],
  ['Ada', none],
  ['Ada,', none],
  ['please', none],
  ['remembering is hard', none],
  ['listen to me', none],
  ['list the ships', none],
  ['forgetful', none],
  ['remind meat', none],
  ['report to the captain', none],
  ['help me find it', none],
  ['cancel the party', none],
  ['I will remember: where is it?', none],
  ['My notes, newest first:\n  #1 is it true?', none],
  ['REMEMBER THAT X', { kind: 'remember', text: 'X' }],
  ['remember that', { kind: 'incomplete', command: 'remember' }],
  ['remember that.', { kind: 'incomplete', command: 'remember' }],
  ['remember thatched roofs leak', { kind: 'remember', text: 'thatched roofs leak' }],
  ['remember, that x', { kind: 'remember', text: 'x' }],
  ['remember line 1\nline 2\n', { kind: 'remember', text: 'line 1\nline 2' }],
  ['remember\nthat\nx', { kind: 'remember', text: 'x' }],
  ['remember 🔑', { kind: 'remember', text: '🔑' }],
  ['remember to say please', { kind: 'remember', text: 'to say please' }],
  ['remember the milk, please!', { kind: 'remember', text: 'the milk!' }],
  ["remember '; DROP TABLE notes; --", { kind: 'remember', text: "'; DROP TABLE notes; --" }],
  ['remember המפתח מתחת לשטיח', { kind: 'remember', text: 'המפתח מתחת לשטיח' }],
  ['\u200fremember המפתח', { kind: 'remember', text: 'המפתח' }],
  ['\ufeffremember x', { kind: 'remember', text: 'x' }],
  ['remember ' + 'x'.repeat(10_000), { kind: 'remember', text: 'x'.repeat(10_000) }],
  ['remember where is the key?', { kind: 'remember', text: 'where is the key?' }],
  ['recall', { kind: 'incomplete', command: 'recall' }],
  ['recall "', { kind: 'incomplete', command: 'recall' }],
  ['recall key AND NOT mat*', { kind: 'recall', query: 'key AND NOT mat*' }],
  ['איפה המפתח?', { kind: 'recall', query: 'איפה המפתח' }],
  ['أين المفتاح؟', { kind: 'recall', query: 'أين المفتاح' }],
  ['鍵はどこですか？', { kind: 'recall', query: '鍵はどこですか' }],
  ["what's the password", { kind: 'recall', query: "what's the password" }],
  ['Is it so', { kind: 'recall', query: 'Is it so' }],
  ['island life', none],
  ['candles', none],
  ['please, Ada, where is it?', { kind: 'recall', query: 'where is it' }],
  ['ADA: LIST', { kind: 'list', what: 'all' }],
  ['@ada list notes', { kind: 'list', what: 'notes' }],
  ['hey ada list all my notes', { kind: 'list', what: 'notes' }],
  ['ok, Ada, please list reminders', { kind: 'list', what: 'reminders' }],
  ['Adam, list', none],
  ['Ada list', none],
  ['list everything.', { kind: 'list', what: 'all' }],
  ['would you please list notes?', { kind: 'list', what: 'notes' }],
  ['remind me', { kind: 'incomplete', command: 'remind' }],
  ['remind', { kind: 'incomplete', command: 'remind' }],
  ['remind me in 10 minutes', { kind: 'incomplete', command: 'remind' }],
  ['remind me in 10 minutes to', { kind: 'incomplete', command: 'remind' }],
  [
    'remind me in 10 minutes: tea',
    { kind: 'remind', when: { kind: 'after', delayMs: 600_000 }, text: 'tea' },
  ],
  ['remind me tea in 10 minutes', { kind: 'remind', when: { kind: 'after', delayMs: 600_000 }, text: 'tea' }],
  [
    'remind me about tea in 10 minutes!',
    { kind: 'remind', when: { kind: 'after', delayMs: 600_000 }, text: 'tea' },
  ],
  [
    'remind me in 10 minutes to\ndrink\ntea',
    { kind: 'remind', when: { kind: 'after', delayMs: 600_000 }, text: 'drink\ntea' },
  ],
  ['forget', { kind: 'incomplete', command: 'forget' }],
  ['forget that', { kind: 'incomplete', command: 'forget' }],
  ['forget about them', { kind: 'incomplete', command: 'forget' }],
  ['forget #', { kind: 'incomplete', command: 'forget' }],
  ['forget note #3.', { kind: 'forget-note', id: 3 }],
  ['forget #0', { kind: 'forget-note', id: 0 }],
  ['forget 3', { kind: 'forget', query: '3' }],
  ['forget #99999999999999999999', { kind: 'forget', query: '#99999999999999999999' }],
  ['forget all', { kind: 'forget-everything', really: false }],
  ['Forget everything really!', { kind: 'forget-everything', really: true }],
  ['forget everything about Bob', { kind: 'forget', query: 'everything about Bob' }],
  ['cancel', { kind: 'incomplete', command: 'cancel' }],
  ['cancel my reminders', { kind: 'incomplete', command: 'cancel' }],
  ['cancel the reminder 7', { kind: 'cancel', reminder: 7 }],
  ['status?', { kind: 'report' }],
  ['help me!', { kind: 'help' }],
  ['help!', { kind: 'help' }],
] as const) {
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text
  test(`reads ${JSON.stringify(shown)} as ${intent.kind}`, () =>
    assert.deepEqual(parseIntent(text, 'Ada'), intent))
}

test('takes no more than linear time for odd texts', () => {
  const began = process.cpuUsage()
  for (const part of [
    '!',
    ' ',
    ', ',
    'please ',
    'Ada, ',
    'a',
    '1:1',
    'in 1',
    'at ',
    '\n',
    'remember ',
    '🔑',
    '?a',
    '12',
  ]) {
    for (const start of [
      '',
      'remember ',
      'remind me ',
      'remind me in ',
      'forget ',
      'list ',
      'can you ',
      'where ',
    ]) {
      parseIntent(start + part.repeat(50_000) + 'x', 'Ada')
    }
  }
  const { user } = process.cpuUsage(began)
  assert.ok(user < 10_000_000, `${user} µs`)
})

for (const [text, request] of [
  ['The key is under the mat.', false],
  ['Where there is smoke there is fire.', true],
  ['Is it?', true],
  ['Bob, list notes', true],
  ['Help', true],
  ['I remember: where is it?', false],
] as const) {
  test(`${text} ${request ? 'sounds' : 'does not sound'} like a request to some reflex agent`, () =>
    assert.equal(soundsLikeRequest(text), request))
}
