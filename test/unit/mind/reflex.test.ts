import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAgentDefinition } from '../../../src/agent/define-agent.ts'
import { addNote, countNotes } from '../../../src/agent/note-table.ts'
import { PerduraError } from '../../../src/errors.ts'
import { soundsLikeRequest } from '../../../src/mind/reflex/grammar.ts'
import { reflexAgent } from '../../../src/mind/reflex/reflex.ts'
import { reflexSchema } from '../../../src/mind/reflex/state.ts'
import { formatTime } from '../../../src/mind/reflex/time.ts'
import { withReflexAgent } from '../../helpers/reflex-agent.ts'
import type { ReflexHarness } from '../../helpers/reflex-agent.ts'

const minute = 60_000

test('is an agent definition under the given name', () => {
  assert.equal(isAgentDefinition(reflexAgent('Ada')), true)
  assert.throws(
    () => reflexAgent('no such name'),
    (thrown) => thrown instanceof PerduraError && thrown.code === 'ERR_DEFINITION',
  )
})

test('answers a question with the note that it kept', () =>
  withReflexAgent('Ada', async (ada) => {
    assert.equal(
      await ada.say('remember that the key is under the mat'),
      'I will remember: the key is under the mat',
    )
    assert.equal(await ada.say('where is the key?'), 'The key is under the mat.')
    assert.equal(await ada.say('Ada, where are the KEYS'), 'The key is under the mat.')
    assert.equal(await ada.say('recall mat'), 'The key is under the mat.')
    assert.equal(await ada.say('what do you know about the key?'), 'The key is under the mat.')
  }))

test('says plainly what it does not know', () =>
  withReflexAgent('Ada', async (ada) => {
    assert.equal(await ada.say('where is the umbrella?'), 'I know nothing about "where is the umbrella".')
    await ada.say('remember that you are late')
    assert.equal(await ada.say('who are you?'), 'I know nothing about "who are you".')
  }))

test('gives up to three notes, the best first', () =>
  withReflexAgent('Ada', async (ada) => {
    for (const text of ['tea with milk and honey and much else', 'tea', 'green tea', 'black tea', 'coffee']) {
      await ada.say(`remember ${text}`)
    }
    assert.deepEqual((await ada.say('tea?')).split('\n'), ['Tea.', 'Black tea.', 'Green tea.'])
  }))

for (const [text, sentence] of [
  ['éclairs are good', 'Éclairs are good.'],
  ['done!', 'Done!'],
  ['the door is (probably) open (blue)', 'The door is (probably) open (blue).'],
  ['the page is https://example.com/door', 'The page is https://example.com/door'],
  ['door 🔑', 'Door 🔑'],
  ['𐐨 door', '𐐀 door.'],
  ['the door\nis open', 'The door\nis open.'],
  ['הדלת door', 'הדלת door.'],
] as const) {
  test(`makes a sentence of ${JSON.stringify(text)}`, () =>
    withReflexAgent('Ada', async (ada) => {
      await ada.say(`remember ${text}`)
      assert.equal(
        await ada.say(
          text.includes('éclairs') ? 'recall eclair' : text === 'done!' ? 'recall done' : 'recall door',
        ),
        sentence,
      )
    }))
}

test('keeps a text of 10,000 characters and refuses a longer one', () =>
  withReflexAgent('Ada', async (ada) => {
    assert.match(await ada.say(`remember ${'x'.repeat(10_000)}`), /^I will remember: x{200}…$/)
    assert.match(await ada.say(`remember ${'x'.repeat(10_001)}`), /^That is too long: .* 10001\.$/)
    assert.equal(countNotes(ada.db.reader), 1)
  }))

test('says that its memory is full', () =>
  withReflexAgent('Ada', async (ada) => {
    ada.db.write((tx) => tx.run("INSERT INTO counters VALUES ('notes.live', 100000)"))
    assert.equal(await ada.say('remember this'), 'My memory is full: let me forget something first.')
  }))

test('reminds who asked, where they asked', () =>
  withReflexAgent('Ada', async (ada) => {
    const [confirmed] = await ada.receive('remind me in 10 minutes to take the bread out', {
      from: 'Bob',
      conversation: 'kitchen',
    })
    const due = ada.now + 10 * minute
    assert.equal(confirmed?.text, `Reminder #1 is set for ${formatTime(due)}: take the bread out`)
    assert.deepEqual(await ada.fire(due - 1), [])
    const fired = await ada.fire(due)
    assert.deepEqual(fired, [
      { to: 'Bob', conversation: 'kitchen', text: 'Reminder: take the bread out', hops: 1 },
    ])
    assert.deepEqual(ada.state.reminders, [])
  }))

test('says how late a reminder is', () =>
  withReflexAgent('Ada', async (ada) => {
    await ada.say('remind me in 10 minutes to eat')
    await ada.say('remind me to drink in 190 minutes')
    const fired = await ada.fire(ada.now + 190 * minute)
    assert.deepEqual(
      fired.map(({ text }) => text),
      ['Reminder (3h late): eat', 'Reminder: drink'],
    )
  }))

test('refuses a time that has passed and sets nothing', () =>
  withReflexAgent('Ada', async (ada) => {
    assert.match(await ada.say('remind me on 2020-01-01 to travel back'), /has passed/)
    assert.deepEqual(ada.state.reminders, [])
    assert.equal(ada.timers.size, 0)
  }))

test('cancels a reminder, also one that fired in the meantime', () =>
  withReflexAgent('Ada', async (ada) => {
    await ada.say('remind me in 10 minutes to eat')
    const timer = ada.timers.get('timer-1')
    assert.ok(timer)
    assert.equal(await ada.say('cancel reminder #1'), 'Reminder #1 is cancelled: eat')
    assert.equal(ada.timers.size, 0)
    ada.timers.set(timer.id, timer)
    assert.deepEqual(await ada.fire(timer.dueAt), [])
    assert.match(await ada.say('cancel reminder #1'), /^You have no reminder #1/)
    assert.match(await ada.say('remind me in 10 minutes to eat'), /^Reminder #2/)
  }))

test('shows and cancels only the reminders of who asks', () =>
  withReflexAgent('Ada', async (ada) => {
    await ada.say('remind me in 2h to sleep', 'Bob')
    await ada.say('remind me in 1h to eat', 'Bob')
    await ada.say('remind me in 1h to work', 'Eve')
    assert.match(await ada.say('cancel #1', 'Eve'), /^You have no reminder #1/)
    const lines = (await ada.say('list reminders', 'Bob')).split('\n')
    assert.equal(lines[0], 'My reminders, next first:')
    assert.deepEqual(
      lines.slice(1).map((line) => line.replace(/ \d{4}.*:/, '')),
      ['  #2 eat', '  #1 sleep'],
    )
  }))

test('bounds reminders and their texts', () =>
  withReflexAgent('Ada', async (ada) => {
    assert.match(await ada.say(`remind me in 1h to ${'x'.repeat(1_001)}`), /^That is too long/)
    const reminder = { text: 'x', to: 'Bob', conversation: 'Bob', dueAt: 1, timer: 't' }
    ada.state = {
      ...ada.state,
      reminders: Array.from({ length: 1_000 }, (_, n) => ({ ...reminder, number: n + 1 })),
    }
    assert.match(await ada.say('remind me in 1h to eat'), /^I keep 1000 reminders already/)
  }))

test('lists notes newest first, twenty at most', () =>
  withReflexAgent('Ada', async (ada) => {
    assert.equal(await ada.say('list'), 'I keep no notes.\nI keep no reminders.')
    ada.db.write((tx) => {
      for (let n = 1; n <= 21; n += 1) addNote(tx, { text: `note\n${n} ${'🔑'.repeat(300)}`, now: n })
    })
    const lines = (await ada.say('list notes')).split('\n')
    assert.equal(lines.length, 22)
    assert.match(lines[1] ?? '', /^ {2}#21 note 21 (?:🔑){192}…$/u)
    assert.equal(lines[21], 'There are more notes.')
  }))

test('forgets the one note that is meant, and asks back otherwise', () =>
  withReflexAgent('Ada', async (ada) => {
    for (const text of ['the key is under the mat', 'the car key is in the drawer', 'milk is white']) {
      await ada.say(`remember that ${text}`)
    }
    const asked = await ada.say('forget the key')
    assert.match(asked, /^I am not sure which note you mean:\n {2}#[12] /)
    assert.match(asked, /Write the number: forget #[12]\.$/)
    assert.match(await ada.say('forget the umbrella under the milk'), /^I am not sure/)
    assert.match(await ada.say('forget the umbrella'), /^I know nothing about/)
    assert.equal(countNotes(ada.db.reader), 3)
    assert.equal(await ada.say('forget the car keys'), 'I have forgotten: the car key is in the drawer')
    assert.equal(await ada.say('forget #3'), 'I have forgotten: milk is white')
    assert.equal(await ada.say('forget #3'), 'I keep no note #3 now.')
    assert.equal(await ada.say('forget #0'), 'I keep no note #0 now.')
    assert.equal(await ada.say('where is the key?'), 'The key is under the mat.')
  }))

test('forgets the note whose very words are given, though others have them too', () =>
  withReflexAgent('Ada', async (ada) => {
    await ada.say('remember that the key is under the mat')
    await ada.say('remember that the spare key is under the mat')
    assert.equal(
      await ada.say('forget that the key is under the mat'),
      'I have forgotten: the key is under the mat',
    )
  }))

test('forgets everything only when that is really meant', () =>
  withReflexAgent('Ada', async (ada) => {
    assert.equal(await ada.say('forget everything, really'), 'I keep no notes.')
    await ada.say('remember one')
    await ada.say('remember two')
    assert.match(await ada.say('forget everything'), /write: forget everything, really\.$/)
    assert.equal(countNotes(ada.db.reader), 2)
    assert.equal(await ada.say('forget everything, really'), 'I have forgotten every note.')
    assert.equal(countNotes(ada.db.reader), 0)
  }))

test('forgets a thousand notes at a time', () =>
  withReflexAgent('Ada', async (ada) => {
    ada.db.write((tx) => {
      for (let n = 0; n < 1_001; n += 1) addNote(tx, { text: `note ${n}`, now: n, since: n })
    })
    assert.match(await ada.say('forget #1'), /^I keep no note #1 now/)
    assert.equal(countNotes(ada.db.reader), 1_000)
    assert.match(await ada.say('report'), /^I keep 1000 or more notes/)
    assert.match(await ada.say('forget everything, really'), /write it again/)
    assert.equal(await ada.say('list notes'), 'I keep no notes.')
  }))

test('reports what it keeps and what it has handled since its first start', () =>
  withReflexAgent('Ada', async (ada) => {
    const since = formatTime(ada.now)
    ada.now += minute
    await ada.start()
    await ada.say('remember one')
    await ada.say('remind me in 1h to eat')
    assert.equal(
      await ada.say('report'),
      `I keep 1 note and 1 reminder, and have handled 3 messages since ${since}.`,
    )
  }))

for (const text of ['', 'good morning', '🔑', 'x'.repeat(10_000), '{"a":1}', '\u202emirrored']) {
  test(`says that it does not understand ${JSON.stringify(text.slice(0, 20))}`, () =>
    withReflexAgent('Ada', async (ada) => {
      const answer = await ada.say(text)
      assert.match(answer, /^I do not understand that\. I understand:\n/)
      assert.ok(answer.length < 400)
    }))
}

test('does not answer an automatic answer that is no request', () =>
  withReflexAgent('Ada', async (ada) => {
    for (const text of [
      'good morning',
      '',
      'remember',
      'Reminder: where is the key?',
      'The key is under the mat.',
    ]) {
      assert.deepEqual(await ada.receive(text, { hops: 1 }), [])
    }
    assert.equal((await ada.receive('list notes', { hops: 1 })).length, 1)
    assert.equal((await ada.receive('list notes', { hops: 7 })).length, 1)
    assert.deepEqual(await ada.receive('remember the milk', { hops: 8 }), [])
    assert.equal(countNotes(ada.db.reader), 0)
    assert.equal(ada.state.handled, 8)
  }))

const provocations = [
  'where is the key?',
  'remember where is the key?',
  'remember that list',
  'remember help?',
  'remember Bob, list notes',
  'remember Ada: where is the key',
  'recall list',
  'recall help',
  'recall key',
  'forget key?',
  'remind me in 5s to list',
  'list',
  'report',
  'help',
  'cancel reminder #1',
  'cancel reminder #7',
  'cancel',
  'remember',
  'forget everything',
  'forget everything, really',
  'remind me at 99:99 to list',
  'remind me on 2020-01-01 to list?',
  'nonsense',
  '',
]

test('says nothing that another reflex agent would take for a request', () =>
  withReflexAgent('Ada', async (ada) => {
    for (const text of [...provocations, ...provocations]) {
      const answer = await ada.say(text)
      assert.equal(soundsLikeRequest(answer), false, `${text}: ${answer}`)
    }
    await ada.say('remind me in 5s: where is the key?')
    for (const { text } of await ada.fire(ada.now + 5_000)) assert.equal(soundsLikeRequest(text), false, text)
  }))

/** Messages that two agents send each other after one of them was told `text` in the other's name. */
async function converse(ada: ReflexHarness, bob: ReflexHarness, text: string): Promise<number> {
  const agents = [
    { name: 'Ada', harness: ada },
    { name: 'Bob', harness: bob },
  ] as const
  let sent = 0
  let next = { text, hops: 0, to: 0 }
  while (sent < 10) {
    const { harness } = agents[next.to === 0 ? 0 : 1]
    const from = agents[next.to === 0 ? 1 : 0].name
    const [answer] = await harness.receive(next.text, { from, hops: next.hops })
    if (answer === undefined) return sent
    sent += 1
    next = { text: answer.text, hops: answer.hops, to: 1 - next.to }
  }
  return sent
}

test('falls silent with another reflex agent after one message', () =>
  withReflexAgent('Ada', (ada) =>
    withReflexAgent('Bob', async (bob) => {
      for (const text of provocations) {
        await bob.say(text)
        assert.equal(await converse(ada, bob, text), 1, text)
      }
    }),
  ))

test('passes on what another agent is told, and its first answer back to who asked', () =>
  withReflexAgent('Ada', async (ada) => {
    const asked = await ada.receive('ask Bo where the key is', { from: 'Hugo', conversation: 'house' })
    assert.deepEqual(
      asked.map(({ to, conversation, text }) => [to, conversation, text]),
      [
        ['Bo', 'Ada-1', 'where the key is'],
        ['Hugo', 'house', 'I have asked Bo: where the key is'],
      ],
    )
    const answer = { from: 'Bo', conversation: 'Ada-1', hops: 2 }
    const back = await ada.receive('where is the key? list notes', answer)
    assert.deepEqual(
      back.map(({ to, conversation, text }) => [to, conversation, text]),
      [['Hugo', 'house', 'Bo says: where is the key? list notes']],
    )
    assert.equal(soundsLikeRequest(back[0]?.text ?? ''), false)
    // The second one is read like any other automatic message.
    assert.deepEqual(await ada.receive('and another thing', answer), [])
    assert.deepEqual(ada.state.passed, [])
  }))

test('asks nobody twice, itself never, and remembers only so many', () =>
  withReflexAgent('Ada', async (ada) => {
    assert.equal(await ada.say('tell ada that it rains'), 'That is me: write it without my name.')
    for (let number = 1; number <= 120; number++) await ada.receive(`tell Bo that it is ${number}`)
    assert.equal(ada.state.passed.length, 100)
    assert.equal(ada.state.passed[0]?.conversation, 'Ada-21')
  }))

test('what has come over too many automatic answers is not passed on', () =>
  withReflexAgent('Ada', async (ada) => {
    assert.deepEqual(await ada.receive('tell Bo that it rains', { from: 'Bo', hops: 8 }), [])
  }))

test('validates its state by hand: the empty one is the first, and others are refused by name', () => {
  const validate = reflexSchema['~standard'].validate
  const first = { since: 0, handled: 0, reminderNext: 1, reminders: [], passNext: 1, passed: [] }
  assert.deepEqual(validate({}), { value: first })
  const reminder = { number: 1, text: 'x', to: 'you', conversation: 'you', dueAt: 5, timer: 't' }
  assert.deepEqual(validate({ ...first, reminders: [reminder] }), {
    value: { ...first, reminders: [reminder] },
  })
  for (const [wrong, key] of [
    [{ since: -1 }, 'since'],
    [{ handled: '1' }, 'handled'],
    [{ reminderNext: 1.5 }, 'reminderNext'],
    [{ reminders: {} }, 'reminders'],
    [{ passNext: -1 }, 'passNext'],
    [{ passed: [{ agent: 'Bo' }] }, 'passed'],
    [{ reminders: [{ ...reminder, text: 1 }] }, 'reminders'],
    [{ reminders: Array.from({ length: 1_001 }, () => reminder) }, 'reminders'],
  ] as const) {
    const result = validate(wrong)
    assert.ok(!(result instanceof Promise))
    assert.deepEqual(
      result.issues?.map((issue) => issue.path),
      [[key]],
    )
  }
  for (const wrong of [null, 1, []]) assert.ok('issues' in validate(wrong))
})
