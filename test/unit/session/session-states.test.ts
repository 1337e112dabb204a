import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SessionStates, type SessionState } from '../../../src/session/session-states.ts'

/** The steps that there are, as the page about reconnecting has them. */
const steps: Record<SessionState, readonly SessionState[]> = {
  idle: ['connecting', 'stopped'],
  connecting: ['connecting', 'resuming', 'online', 'backing-off', 'suspended', 'stopped'],
  resuming: ['connecting', 'online', 'backing-off', 'suspended', 'stopped'],
  online: ['connecting', 'backing-off', 'suspended', 'stopped'],
  'backing-off': ['backing-off', 'connecting', 'stopped'],
  suspended: ['backing-off', 'connecting', 'stopped'],
  stopped: [],
}

/** The shortest way to each state. */
const ways: Record<SessionState, readonly SessionState[]> = {
  idle: [],
  connecting: ['connecting'],
  resuming: ['connecting', 'resuming'],
  online: ['connecting', 'resuming', 'online'],
  'backing-off': ['connecting', 'backing-off'],
  suspended: ['connecting', 'suspended'],
  stopped: ['stopped'],
}

function at(state: SessionState): { states: SessionStates; told: object[] } {
  const told: object[] = []
  const states = new SessionStates((change) => void told.push(change))
  for (const step of ways[state]) states.enter(step, '')
  told.length = 0
  return { states, told }
}

for (const from of Object.keys(ways) as SessionState[]) {
  for (const to of Object.keys(ways) as SessionState[]) {
    const isLegal = steps[from].includes(to)
    test(`from ${from} ${isLegal ? 'it may go' : 'it cannot go'} to ${to}`, () => {
      const { states, told } = at(from)
      if (isLegal) {
        states.enter(to, 'a reason')
        assert.deepEqual(told, [{ from, to, reason: 'a reason' }])
        assert.deepEqual([states.current, states.reason], [to, 'a reason'])
      } else {
        assert.throws(() => states.enter(to, 'a reason'), /cannot go from/)
        assert.deepEqual([states.current, told], [from, []])
      }
    })
  }
}
