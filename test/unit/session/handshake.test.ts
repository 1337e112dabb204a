import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from 'valibot'
import { agentFrame, hubFrame, type ReadyFrame } from '../../../src/protocol/frames.ts'
import { begunOf, problemOf, resumeFrameOf } from '../../../src/session/handshake.ts'
import type { SessionPosition } from '../../../src/session/position.ts'
import { freshPosition as fresh } from '../../helpers/light-session-store.ts'

const standing: SessionPosition = {
  sessionIdentifier: 'abc1234',
  generation: 3,
  claim: 'claim',
  start: 1,
  rx: { epoch: 'e1', offset: 7, lastId: 'mark' },
  tx: { producerEpoch: 'p1', nextSeq: 5, lastAcked: { seq: 4, id: 'm4' } },
}
const asked = { instance: 'one', takeover: false, credit: { messages: 1, bytes: 2 } }

function ready(fields: object = {}): ReadyFrame {
  const frame = v.parse(hubFrame, {
    type: 'ready',
    resumed: true,
    reason: 'resumed',
    session_identifier: 'abc1234',
    generation: 3,
    stream: { epoch: 'e1', floor: 0, top: 9, next: 8 },
    tx: { producer_epoch: 'p1', verdict_seq: 4 },
    credit: { messages: 1, bytes: 1 },
    session_ttl_s: 1,
    token_ttl_s: 0,
    ...fields,
  })
  assert.ok(frame.type === 'ready')
  return frame
}

test('a resume says where the agent stands, and nothing where it never stood', () => {
  const frame = resumeFrameOf(standing, asked)
  assert.deepEqual(frame, {
    type: 'resume',
    instance: 'one',
    generation: 3,
    claim: 'claim',
    start: 1,
    takeover: false,
    session_identifier: 'abc1234',
    rx: { epoch: 'e1', offset: 7, last_id: 'mark' },
    tx: { producer_epoch: 'p1', next_seq: 5, last_acked: { seq: 4, id: 'm4' } },
    credit: { messages: 1, bytes: 2 },
  })
  const first = resumeFrameOf(fresh, { ...asked, takeover: true })
  assert.deepEqual([first.session_identifier, first.rx, first.tx, first.takeover], [null, null, null, true])
  for (const sent of [frame, first]) assert.ok(v.is(agentFrame, sent))
  const without: SessionPosition = {
    ...standing,
    rx: { epoch: 'e1', offset: 0, lastId: undefined },
    tx: { producerEpoch: 'p1', nextSeq: 1, lastAcked: undefined },
  }
  const empty = resumeFrameOf(without, asked)
  assert.deepEqual([empty.rx?.last_id, empty.tx?.last_acked], [null, null])
})

test('what a ready says is noted as it is', () => {
  assert.deepEqual(begunOf(ready()), {
    reason: 'resumed',
    sessionIdentifier: 'abc1234',
    generation: 3,
    streamEpoch: 'e1',
    next: 8,
    producerEpoch: 'p1',
  })
})

test('a ready that goes on where the agent stands is good, and so is any other epoch', () => {
  assert.equal(problemOf(ready(), standing), undefined)
  assert.equal(problemOf(ready({ stream: { epoch: 'e2', floor: 4, top: 4, next: 5 } }), standing), undefined)
  assert.equal(problemOf(ready({ stream: { epoch: 'e2', floor: 0, top: 0, next: 1 } }), fresh), undefined)
  assert.equal(problemOf(ready({ generation: 4 }), standing), undefined)
})

test('a ready that would leave a hole or go back is refused', () => {
  for (const next of [7, 9]) {
    const frame = ready({ stream: { epoch: 'e1', floor: 0, top: 9, next } })
    assert.match(problemOf(frame, standing) ?? '', /stands at 7/)
  }
  assert.match(problemOf(ready({ generation: 2 }), standing) ?? '', /generation 2/)
})
