import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EffectView, OutgoingView, TurnSummary } from '../../../src/runtime/turn-queries.ts'
import { decideCommand, explain } from '../../../src/runtime/why.ts'
import type { Explanation, StoredFacts, WhyFacts } from '../../../src/runtime/why-facts.ts'

const now = 1_000_000

function turn(number: number, fields: Partial<TurnSummary> = {}): TurnSummary {
  return {
    turn: number,
    kind: 'message',
    id: `m-${number}`,
    from: 'you',
    conversation: 'you',
    text: `text ${number}`,
    status: 'pending',
    attempts: 0,
    failures: 0,
    crashes: 0,
    receivedAt: now - 60_000,
    availableAt: 0,
    startedAt: null,
    finishedAt: null,
    error: null,
    ...fields,
  }
}

function effect(name: string, status: EffectView['status']): EffectView {
  return {
    name,
    occurrence: 1,
    key: `key-of-${name}`,
    policy: 'unkeyed',
    status,
    runs: 1,
    result: null,
    error: null,
    intendedAt: 0,
    startedAt: 0,
    finishedAt: null,
  }
}

function outgoing(to: string, error: string | null = null): OutgoingView {
  return {
    sequence: 1,
    id: 'o-1',
    turn: 1,
    to,
    conversation: 'you',
    content: 'x',
    text: 'x',
    status: 'pending',
    attempts: 1,
    createdAt: 0,
    settledAt: null,
    seq: null,
    error,
    priority: 'normal',
    ttlMs: null,
    expiresAt: null,
    isUnderWay: false,
    retryOf: null,
    retriedAs: null,
  }
}

function facts(stored: Partial<StoredFacts> = {}, rest: Partial<Omit<WhyFacts, 'stored'>> = {}): WhyFacts {
  return {
    agent: 'Ada',
    now,
    process: { state: 'running', pid: 7, answers: true },
    lag: 0,
    freeBytes: 1_000_000_000,
    recipients: new Map(),
    ...rest,
    stored: {
      open: [],
      openCount: stored.open?.length ?? 0,
      effects: new Map(),
      dead: [],
      deadCount: stored.dead?.length ?? 0,
      outgoing: [],
      deadMessages: [],
      paused: { inbox: null, outbox: null },
      unread: [],
      timers: [],
      doneCount: 3,
      ...stored,
    },
  }
}

function only(given: WhyFacts): Explanation {
  const found = explain(given)
  assert.equal(found.length, 1, JSON.stringify(found))
  return found[0] as Explanation
}

test('nothing to do is said as such', () => {
  assert.equal(only(facts()).text, 'there is nothing to do: 3 turns done, the inbox and the outbox are empty')
})

test('an agent that does not run says how to start it', () => {
  const { reason, text, command } = only(facts({}, { process: { state: 'stopped' } }))
  assert.deepEqual([reason, text, command], ['not-running', 'Ada is not running', 'perdura start Ada'])
})

test('an agent that was killed says so, and that nothing is lost; one that is supervised comes back', () => {
  assert.match(
    only(facts({}, { process: { state: 'killed', pid: 9 } })).text,
    /process 9 was killed. Nothing .* lost/,
  )
  const supervised = only(facts({}, { process: { state: 'killed', supervised: true } }))
  assert.match(supervised.text, /its supervisor is starting it/)
  assert.equal(supervised.command, undefined)
})

test('a process that does not answer is suspected of an endless loop', () => {
  const [first] = explain(facts({}, { process: { state: 'running', pid: 7, answers: false } }))
  assert.match(first?.text ?? '', /process 7 runs but does not answer/)
})

test('a database behind its journal is explained where no process catches up', () => {
  const found = explain(facts({}, { lag: 3, process: { state: 'killed' } }))
  assert.match(
    found[1]?.text ?? '',
    /lags the journal by 3 records: nothing is lost, the next start applies them/,
  )
})

test('a parked turn names its effect, its key and the decision to take', () => {
  const parked = turn(12, { status: 'parked' })
  const { text, command } = only(
    facts({
      open: [parked],
      effects: new Map([[12, [effect('quote', 'done'), effect('charge', 'unknown')]]]),
    }),
  )
  assert.match(
    text,
    /turn 12 .* waits for you: nobody knows whether effect "charge" \(key key-of-charge\) happened/,
  )
  assert.equal(command, 'perdura turn resolve Ada 12 charge <--done|--not-done>')
})

test('a full disk is said, with what happens when there is room again', () => {
  const full = { freeBytes: 1_000_000 }
  const texts = explain(facts({}, full)).map(({ reason, text }) => `${reason}: ${text}`)
  assert.match(texts[0] ?? '', /^disk-full: .* free some space, and it goes on by itself$/)
  const [, stopped] = explain(facts({}, { ...full, process: { state: 'stopped' } }))
  assert.match(stopped?.text ?? '', /free some space, and start it$/)
})

test('the command that decides names the occurrence, and a name of several words as one', () => {
  assert.equal(
    decideCommand('Ada', 4, { name: 'email', occurrence: 2 }),
    `perdura turn resolve Ada 4 'email#2' <--done|--not-done>`,
  )
  assert.equal(
    decideCommand('Ada', 4, { name: "charge Bob's card; $(rm x)", occurrence: 1 }),
    `perdura turn resolve Ada 4 'charge Bob'\\''s card; $(rm x)' <--done|--not-done>`,
  )
})

test('a turn that waits to be tried again says when and why', () => {
  const { text } = only(
    facts({ open: [turn(4, { failures: 2, availableAt: now + 30_000, error: 'ECONNREFUSED' })] }),
  )
  assert.match(text, /turn 4 .* failed 2 times: ECONNREFUSED; it is tried again in 30\.0s/)
})

test('what waits behind a turn of its conversation is said, and other conversations are not held up', () => {
  const found = explain(
    facts({
      open: [
        turn(1, { status: 'running', startedAt: now - 5_000, attempts: 1 }),
        turn(2),
        turn(3),
        turn(4, { conversation: 'other' }),
      ],
    }),
  )
  const texts = found.map(({ text }) => text)
  assert.ok(texts.some((text) => /turn 1 .* has been running for 5\.0s, attempt 1/.test(text)))
  assert.ok(texts.some((text) => /2 more turns of conversation "you" wait behind turn 1/.test(text)))
  assert.ok(texts.some((text) => /turn 4 .* is next in its conversation/.test(text)))
})

test('what waits for a person comes before what goes on by itself', () => {
  const [first] = explain(
    facts({
      open: [
        turn(1, { status: 'running', conversation: 'a' }),
        turn(2, { status: 'parked', conversation: 'b' }),
      ],
      effects: new Map([[2, [effect('charge', 'unknown')]]]),
    }),
  )
  assert.equal(first?.turn, 2)
})

test('a turn that a killed process was in goes on at the next start', () => {
  const found = explain(facts({ open: [turn(1, { status: 'running' })] }, { process: { state: 'killed' } }))
  assert.ok(found.some(({ reason }) => reason === 'interrupted'))
})

test('messages wait for a recipient that does not run, and say how to start it', () => {
  const recipients = new Map([
    ['Bob', 'stopped' as const],
    ['Eve', 'missing' as const],
    ['Kim', 'running' as const],
  ])
  const given = facts(
    { outgoing: [outgoing('Bob'), outgoing('Bob'), outgoing('Eve'), outgoing('Kim', 'busy')] },
    { recipients },
  )
  const found = explain(given)
  assert.deepEqual(
    found.map(({ text, command }) => [text, command]),
    [
      ['2 messages for Bob wait: Bob is not running', 'perdura start Bob'],
      ['1 message for Eve: there is no such agent here', undefined],
      ['1 message for Kim not delivered yet: busy', undefined],
    ],
  )
})

test('dead letters, unread messages and the next timer are pointed out', () => {
  const found = explain(
    facts({
      dead: [
        turn(3, { status: 'dead', failures: 5, error: 'boom' }),
        turn(2, { status: 'dead', crashes: 5 }),
      ],
      deadCount: 4,
      unread: [outgoing('you')],
      timers: [{ id: 't', conversation: 'c', dueAt: now + 90_000 }],
    }),
  )
  assert.deepEqual(
    found.map(({ text }) => text),
    [
      'turn 3 ("text 3") was set aside after 5 failed attempts: boom',
      'turn 2 ("text 2") was set aside after the process died 5 times in it',
      '2 more turns were set aside',
      '1 message for you has not been read',
      'the next timer is due in 1m 30s',
      'there is nothing to do: 3 turns done, the inbox and the outbox are empty',
    ],
  )
})

test('a thousand waiting turns are summed up', () => {
  const open = Array.from({ length: 200 }, (_, index) => turn(index + 1, { conversation: `c-${index}` }))
  const found = explain(facts({ open, openCount: 1_000 }))
  assert.equal(found.length, 11)
  assert.match(found.at(-1)?.text ?? '', /990 more turns not finished, of other conversations/)
})

const session = { hub: 'http://hub:1', state: 'backing-off', reason: 'closed with 1006', since: now - 5_000 }

test('says for how long and why there is no connection to the hub, and what waits for it', () => {
  const [connection, outgoingAtHub] = explain(facts({ outgoing: [outgoing('Bo')] }, { session }))
  assert.equal(connection?.reason, 'not-connected')
  assert.match(connection.text, /not been connected to the hub http:\/\/hub:1 for 5.0s: closed with 1006/)
  assert.equal(outgoingAtHub?.reason, 'at-the-hub')
  assert.match(outgoingAtHub.text, /1 message for Bo waits in the outbox until there is a connection/)
})

const textsWith = (fields: object): string =>
  explain(facts({}, { session: { ...session, ...fields } }))
    .map(({ text, command }) => `${text} [${command}]`)
    .join()

test('says when the next attempt is made, and that a long outage makes it rarer', () => {
  const waiting = textsWith({ nextTryMs: 3_200, attempts: 4 })
  assert.match(
    waiting,
    /closed with 1006\. It tries again in 3\.2s, after 4 attempts in a row, and nothing is lost/,
  )
  const suspended = textsWith({ state: 'suspended', nextTryMs: 21_000 })
  assert.match(suspended, /more than a short outage, so it tries about every 30 s; next in 21\.0s/)
  assert.match(textsWith({ state: 'connecting', nextTryMs: null }), /It is trying now/)
  assert.match(textsWith({ nextTryMs: null }), /It goes on trying, and nothing is lost/)
})

test('says of a session that has given up what brings it back', () => {
  const reason = 'HTTP 503. It has given up after 3 attempts, and tries again when the network changes'
  const found = explain(facts({}, { session: { ...session, state: 'suspended', reason, nextTryMs: null } }))
  assert.deepEqual([found[0]?.reason, found[0]?.command], ['gave-up', 'perdura session reconnect Ada'])
  assert.match(found[0]?.text ?? '', /HTTP 503\. It has given up after 3 attempts.*Nothing is lost/)
})

test('tells another process of the agent at the hub from a hub that is away', () => {
  const reason = 'another process of this agent is connected'
  const [inUse] = explain(facts({}, { session: { ...session, reason } }))
  assert.equal(inUse?.reason, 'in-use')
  assert.equal(inUse.command, 'perdura start Ada --takeover')
})

test('says why the hub would not have a process that has ended since', () => {
  const ended = { ...session, state: 'ended', reason: 'the hub has ended the session' }
  const found = explain(facts({}, { process: { state: 'stopped' }, session: ended }))
  assert.deepEqual(
    found.map(({ reason }) => reason),
    ['not-running', 'session-ended'],
  )
})

test('an hour long it says what was refused', () => {
  const refused = { ...outgoing('Nobody', 'ERR_RECIPIENT: no such agent'), status: 'refused' as const }
  const found = (settledAt: number): string[] =>
    explain(facts({ deadMessages: [{ ...refused, settledAt }] }))
      .filter(({ reason }) => reason === 'refused')
      .map(({ text }) => text)
  assert.match(found(now - 1)[0] ?? '', /for Nobody was refused: ERR_RECIPIENT: no such agent/)
  assert.deepEqual(found(now - 3_600_001), [])
})

test('what has expired is said, until it is sent again', () => {
  const expired = { ...outgoing('Bo', 'it was not sent in time'), status: 'expired' as const, settledAt: now }
  const said = (message: OutgoingView): string[] =>
    explain(facts({ deadMessages: [message] })).map(({ reason, text }) => `${reason}: ${text}`)
  assert.match(
    said({ ...expired, turn: 0 })[0] ?? '',
    /^expired: .* for Bo has expired: it was not sent in time/,
  )
  assert.doesNotMatch(said({ ...expired, retriedAs: 9 }).join(), /expired/)
})

test('a queue that is paused is said first, with the way to go on', () => {
  const found = explain(facts({ paused: { inbox: null, outbox: now - 60_000 } }))
  assert.equal(found[0]?.reason, 'paused')
  assert.match(found[0]?.text ?? '', /the outbox has been paused for 1m: Ada keeps what it has to send/)
  assert.equal(found[0]?.command, 'perdura queue resume Ada --outbox')
})
