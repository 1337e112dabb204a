import { AgentState } from '../../../src/agent/state.ts'
import { agentParts as parts, type AgentParts } from '../../../src/runtime/parts.ts'
import type { Store } from '../../../src/store/store.ts'
import { withParts, type Mutant } from './swap.ts'

export const turnMutants: readonly Mutant[] = [
  {
    name: 'does not recognise repeats',
    caughtBy: ['state-once'],
    swaps: () => withParts({ inbox: { ...parts.inbox, accept: acceptAgain(parts.inbox) } }),
  },
  {
    name: 'blames a turn for a death in the middle of a commit',
    caughtBy: ['innocent-not-blamed'],
    poison: true,
    faults: { databaseFullRate: 0.03 },
    swaps: () =>
      withParts({
        async openStore(options) {
          const opened = await parts.openStore(options)
          return { ...opened, recovered: { ...opened.recovered, replayedRecords: 0, tornBytes: 0 } }
        },
      }),
  },
  {
    name: 'ignores the order of a conversation',
    caughtBy: ['order'],
    swaps() {
      let lanes = 0
      return withParts({
        inbox: {
          ...parts.inbox,
          accept: (tx, entry, now) =>
            parts.inbox.accept(tx, { ...entry, conversation: `${entry.conversation} ${(lanes += 1)}` }, now),
        },
      })
    },
  },
  {
    name: 'ends a turn in two transactions',
    caughtBy: ['state-once'],
    swaps() {
      let store: Store | undefined
      return withParts({
        async openStore(options) {
          const opened = await parts.openStore(options)
          store = opened.store
          return opened
        },
        inbox: {
          ...parts.inbox,
          finish(tx, position, now) {
            tx.onCommit(() => {
              store?.write((later) => parts.inbox.finish(later, position, now)).catch(() => undefined)
            })
          },
        },
      })
    },
  },
  {
    name: 'does not check what a turn has read',
    caughtBy: ['no-lost-update'],
    swaps: () =>
      withParts({
        loadState(reader, definition) {
          const state = AgentState.load(reader, definition)
          state.hasChangedSince = () => false
          return state
        },
      }),
  },
  {
    name: 'does not record steps',
    caughtBy: ['steps-once'],
    swaps: () => withParts({ steps: { ...parts.steps, record: () => undefined } }),
  },
  {
    name: 'takes repeated steps of one name for the same step',
    caughtBy: ['steps-once'],
    swaps: () =>
      withParts({
        steps: {
          ...parts.steps,
          record(tx, step, result, timing) {
            const { turn, name } = step
            tx.run('DELETE FROM steps WHERE turn = ? AND name = ?', turn, name)
            parts.steps.record(tx, step, result, timing)
          },
        },
      }),
  },
  {
    name: 'does not mark an effect before it runs it',
    caughtBy: ['unkeyed-at-most-once'],
    swaps: () => withParts({ effects: { ...parts.effects, start: () => undefined } }),
  },
  {
    name: 'repeats an unkeyed effect whose outcome is unknown',
    caughtBy: ['unkeyed-at-most-once'],
    faults: { deathsMax: 9, lossRate: 0.15 },
    swaps: () =>
      withParts({
        effects: {
          ...parts.effects,
          load: (reader, turn) =>
            new Map(
              [...parts.effects.load(reader, turn)].map(([label, row]) => {
                const open = row.status === 'started' || row.status === 'unknown'
                return [label, open ? { ...row, status: 'intended' } : row]
              }),
            ),
        },
      }),
  },
  {
    name: 'gives an effect another key at each attempt',
    caughtBy: ['effects-once'],
    swaps() {
      let keys = 0
      return withParts({
        effects: {
          ...parts.effects,
          load: (reader, turn) =>
            new Map(
              [...parts.effects.load(reader, turn)].map(([label, row]) => [
                label,
                { ...row, key: `key ${(keys += 1)}` },
              ]),
            ),
        },
      })
    },
  },
  {
    name: 'forgets that an effect is done',
    caughtBy: ['unkeyed-at-most-once', 'effects-once'],
    swaps: () =>
      withParts({
        effects: {
          ...parts.effects,
          settle(tx, effect, outcome, now) {
            if (outcome.status !== 'done') return parts.effects.settle(tx, effect, outcome, now)
            tx.run('DELETE FROM effects WHERE turn = ? AND name = ?', effect.turn, effect.name)
          },
        },
      }),
  },
  {
    name: 'takes an effect that was refused for one that was done',
    caughtBy: ['effects-once', 'no-stray-errors', 'nothing-lost'],
    swaps: () =>
      withParts({
        effects: {
          ...parts.effects,
          settle(tx, effect, outcome, now) {
            const done = { status: 'done', result: '"receipt"' } as const
            parts.effects.settle(tx, effect, outcome.status === 'failed' ? done : outcome, now)
          },
        },
      }),
  },
  {
    name: 'blames everything that ran when the process died',
    caughtBy: ['innocent-not-blamed'],
    faults: { deathsMax: 9, databaseLossRate: 0, aims: ['database:after:commit'] },
    poison: true,
    swaps: () =>
      withParts({
        inbox: {
          ...parts.inbox,
          interrupted: (tx) => parts.inbox.interrupted(tx).map((entry) => ({ ...entry, alone: true })),
        },
      }),
  },
  {
    name: 'does not count the deaths that a turn caused',
    caughtBy: ['converges'],
    poison: true,
    swaps: () =>
      withParts({
        inbox: {
          ...parts.inbox,
          markSuspect: (tx, position) => parts.inbox.markSuspect(tx, position, false),
        },
      }),
  },
  {
    name: 'does not run suspects alone',
    caughtBy: ['suspects-alone'],
    swaps: () =>
      withParts({
        inbox: {
          ...parts.inbox,
          markSuspect(tx, position, blamed) {
            parts.inbox.markSuspect(tx, position, blamed)
            tx.run('UPDATE inbox SET suspect = 0 WHERE position = ?', position)
          },
        },
      }),
  },
  {
    name: 'does not write down that a turn has begun',
    caughtBy: ['suspects-alone', 'converges'],
    swaps: () =>
      withParts({
        inbox: {
          ...parts.inbox,
          begin: (tx, position) =>
            void tx.run('UPDATE inbox SET attempts = attempts + 1 WHERE position = ?', position),
        },
      }),
  },
  {
    name: 'drops an entry that was running when the process died',
    caughtBy: ['nothing-lost', 'timers-once'],
    swaps: () =>
      withParts({
        inbox: { ...parts.inbox, markSuspect: (tx, position) => parts.inbox.finish(tx, position, 0) },
      }),
  },
  {
    name: 'lets the conversation go on behind a parked turn',
    caughtBy: ['nothing-lost', 'unkeyed-at-most-once', 'state-once', 'order', 'effects-once'],
    swaps: () =>
      withParts({ inbox: { ...parts.inbox, park: (tx, position) => parts.inbox.finish(tx, position, 0) } }),
  },
  {
    name: 'keeps a timer that has fired',
    caughtBy: ['timers-once'],
    swaps() {
      // The entry is made now, and the timer goes the next time that timers are looked at.
      let fired: string[] = []
      return withParts({
        timers: {
          ...parts.timers,
          fire(tx, inbox, now, countMax) {
            for (const id of fired) tx.run('DELETE FROM timers WHERE id = ?', id)
            const rows = tx.all<Record<string, string | number>>(
              'SELECT * FROM timers WHERE due_at <= ?',
              now,
            )
            const entries = parts.timers.fire(tx, { ...inbox, accept: acceptAgain(inbox) }, now, countMax)
            for (const row of rows) {
              const places = Object.keys(row).map(() => '?')
              tx.run(
                `INSERT INTO timers (${Object.keys(row).join(', ')}) VALUES (${places.join(', ')})`,
                ...Object.values(row),
              )
            }
            fired = rows.map(({ id }) => String(id))
            return entries
          },
        },
      })
    },
  },
  {
    name: 'skips timers that are late',
    caughtBy: ['timers-once'],
    swaps: () =>
      withParts({
        timers: {
          ...parts.timers,
          fire(tx, inbox, now, countMax) {
            tx.run('DELETE FROM timers WHERE due_at < ?', now - 1_000)
            return parts.timers.fire(tx, inbox, now, countMax)
          },
        },
      }),
  },
  {
    name: 'gives a message another id at each attempt',
    caughtBy: ['messages-once'],
    swaps() {
      let ids = 0
      return { deliver: (deliver) => (message) => deliver({ ...message, id: `id ${(ids += 1)}` }) }
    },
  },
  {
    name: 'takes a message for delivered that is on its way',
    caughtBy: ['messages-once'],
    swaps: () => ({
      deliver: (deliver) => async (message) => {
        void deliver(message)
        return { verdict: 'delivered' }
      },
    }),
  },
]

function acceptAgain(inbox: AgentParts['inbox']): AgentParts['inbox']['accept'] {
  return (tx, entry, now) => {
    tx.run('DELETE FROM inbox_seen WHERE source = ? AND id = ?', entry.source, entry.id)
    return inbox.accept(tx, entry, now)
  }
}
