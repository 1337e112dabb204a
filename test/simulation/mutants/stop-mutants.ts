import { TurnLoop } from '../../../src/agent/turn-loop.ts'
import { agentParts as parts } from '../../../src/runtime/parts.ts'
import { isSegment, withFiles, withParts, type Mutant } from './swap.ts'

const safely = { safeModeRate: 0.5, deathsMax: 9, stopDeathRate: 0 }
/** Nothing that keeps a stop from being prompt but what the agent itself does. */
const calmly = {
  deathsMax: 9,
  stopRate: 0.9,
  latencyMsMax: 120,
  disk: {},
  fullDisks: 0,
  databaseFullRate: 0,
  lossRate: 0,
  safeModeRate: 0,
  hurryRate: 0,
  stopDeathRate: 0,
}

/** What is wrong about safe mode, and about the end of a process. */
export const stopMutants: readonly Mutant[] = [
  {
    name: 'begins turns in safe mode, with nobody to handle them',
    caughtBy: ['safe-mode-rests', 'nothing-lost'],
    faults: safely,
    swaps: () => withParts({ createTurnLoop: (options) => new TurnLoop({ ...options, mindOff: false }) }),
  },
  {
    name: 'keeps its own code in safe mode',
    caughtBy: ['safe-mode-rests'],
    faults: safely,
    swaps: () => withParts({ withoutMind: (definition) => definition }),
  },
  {
    name: 'lets timers fire in safe mode',
    caughtBy: ['safe-mode-rests'],
    faults: safely,
    swaps: () =>
      withParts({
        async openStore(options) {
          const opened = await parts.openStore(options)
          const { store } = opened
          const fire = (): void => {
            const now = options.clock.now()
            store.write((tx) => parts.timers.fire(tx, parts.inbox, now, 100)).catch(() => undefined)
            options.clock.setTimer(200, fire)
          }
          options.clock.setTimer(200, fire)
          return opened
        },
      }),
  },
  {
    name: 'sets a turn aside in safe mode that its own code would try again',
    caughtBy: ['innocent-not-blamed'],
    poison: true,
    faults: { ...safely, disk: {} },
    swaps: () =>
      withParts({
        withoutMind(definition, reader) {
          const without = parts.withoutMind(definition, reader)
          return { ...without, limits: { ...without.limits, crashesMax: 1 } }
        },
      }),
  },
  {
    name: 'does not send what its last turns said when it stops',
    caughtBy: ['stop-told'],
    faults: calmly,
    swaps: () =>
      withParts({
        closeAgent: (agent, options) => {
          const { outbox } = agent
          return parts.closeAgent(
            {
              ...agent,
              outbox: {
                flush: async () => undefined,
                close: (how) => outbox.close(how),
                get count() {
                  return outbox.count
                },
              },
            },
            options,
          )
        },
      }),
  },
  {
    name: 'waits for its turns, whatever the deadline',
    caughtBy: ['stops-in-time'],
    faults: { ...calmly, stopRate: 0 },
    swaps: () =>
      withParts({
        closeAgent: (agent, options) => parts.closeAgent(agent, { ...options, deadlineMs: 3_600_000 }),
      }),
  },
  {
    name: 'leaves it to the end of its stop to sync the journal',
    caughtBy: ['acknowledged-durable', 'opens-again', 'journal-intact', 'nothing-lost'],
    faults: { deathsMax: 9, stopRate: 0.9, stopDeathRate: 0.9, powerCutRate: 1, disk: {} },
    swaps() {
      let isStopping = false
      return {
        ...withParts({
          closeAgent(agent, options) {
            isStopping = true
            return parts.closeAgent(agent, options)
          },
        }),
        disk(disk) {
          isStopping = false
          return withFiles(disk, (file, path) =>
            isSegment(path)
              ? {
                  sync: () => (isStopping ? undefined : file.sync()),
                  close() {
                    file.sync()
                    file.close()
                  },
                }
              : {},
          )
        },
      }
    },
  },
  {
    name: 'does not hear of impatience',
    caughtBy: ['stops-in-time'],
    faults: { ...calmly, hurryRate: 1 },
    swaps: () =>
      withParts({
        closeAgent(agent, { deadlineMs = 10_000, handover = false }) {
          return parts.closeAgent(agent, { deadlineMs, handover })
        },
      }),
  },
  {
    name: 'says that a stop has left nothing',
    caughtBy: ['stop-told'],
    faults: calmly,
    swaps: () =>
      withParts({
        async closeAgent(agent, options) {
          const { summary, failures } = await parts.closeAgent(agent, options)
          return { summary: { ...summary, openTurns: 0 }, failures }
        },
      }),
  },
]
