import { setTimeout as delay } from 'node:timers/promises'
import { ordinalKey } from '../agent/steps.ts'
import { formatDuration } from '../duration.ts'
import { PerduraError } from '../errors.ts'
import type { AgentPaths } from '../runtime/home.ts'
import {
  effectsOf,
  findTurn,
  outgoingOf,
  type EffectView,
  type OutgoingView,
  type TurnSummary,
} from '../runtime/turn-queries.ts'
import { decideCommand } from '../runtime/why.ts'
import type { Call } from './call.ts'
import { Watch } from './database.ts'
import { viewProcess } from './look.ts'

/** A turn that came to an end, with what it sent. */
export interface EndedTurn {
  readonly turn: TurnSummary
  readonly sent: readonly OutgoingView[]
}

const pollMinMs = 10
const pollMaxMs = 150

/**
 * Waits until a turn is done, by looking at the database: that survives the agent's being killed and started again.
 * Rejects where it waits for a person (ERR_TURN_PARKED), was set aside, or does not end in time (ERR_TIMEOUT).
 */
export async function waitForTurn(
  call: Call,
  agent: string,
  paths: AgentPaths,
  number: number,
  deadlineMs: number,
): Promise<EndedTurn> {
  const watch = new Watch(call, paths)
  let failuresTold = 0
  let last: TurnSummary | undefined
  try {
    for (let pollMs = pollMinMs; ; pollMs = Math.min(pollMaxMs, pollMs * 1.3)) {
      const found = watch.read((reader) => {
        const turn = findTurn(reader, number)
        return turn === undefined
          ? undefined
          : {
              turn,
              sent: turn.status === 'done' ? outgoingOf(reader, number) : [],
              effects: effectsOf(reader, number),
            }
      })
      last = found?.turn ?? last
      if (found?.turn.status === 'done') return { turn: found.turn, sent: found.sent }
      if (found?.turn.status === 'parked') {
        const effect = found.effects.find((candidate) => candidate.status === 'unknown')
        throw parked(call, agent, number, effect)
      }
      if (found?.turn.status === 'dead') throw setAside(call, agent, found.turn)
      if (found !== undefined && found.turn.failures > failuresTold) {
        failuresTold = found.turn.failures
        const inMs = Math.max(0, found.turn.availableAt - Date.now())
        call.output.note(
          `attempt ${failuresTold} failed (${found.turn.error ?? 'no reason given'}); again in ${formatDuration(inMs)}`,
        )
      }
      if (performance.now() + pollMs >= deadlineMs) throw late(call, agent, paths, number, last)
      await delay(pollMs)
    }
  } finally {
    watch.close()
  }
}

function parked(call: Call, agent: string, turn: number, effect: EffectView | undefined): PerduraError {
  // Decided about between two looks.
  if (effect === undefined)
    return new PerduraError(
      'ERR_TURN_PARKED',
      `turn ${turn} waits for a person: see ${call.hint(`perdura why ${agent}`)}`,
      { details: { turn } },
    )
  const label = ordinalKey(effect.name, effect.occurrence)
  const command = call.hint(decideCommand(agent, turn, effect))
  return new PerduraError(
    'ERR_TURN_PARKED',
    `turn ${turn} waits for you: nobody knows whether effect "${label}" (key ${effect.key}) happened; look there, then decide with: ${command}`,
    { details: { turn, effect: label, key: effect.key } },
  )
}

function setAside(call: Call, agent: string, turn: TurnSummary): PerduraError {
  return new PerduraError(
    'ERR_TURN_DEAD',
    `turn ${turn.turn} was set aside: ${turn.error ?? 'no reason given'}; see: ${call.hint(`perdura turn show ${agent} ${turn.turn}`)}`,
    { details: { turn: turn.turn } },
  )
}

function late(
  call: Call,
  agent: string,
  paths: AgentPaths,
  turn: number,
  last: TurnSummary | undefined,
): PerduraError {
  const { state: process, safeMode } = viewProcess(call, paths)
  const state = safeMode
    ? `waits for the safe mode of ${agent} to end`
    : process === 'running'
      ? `is ${last?.status ?? 'in the inbox'}`
      : `waits for ${agent} to run again`
  return new PerduraError(
    'ERR_TIMEOUT',
    `turn ${turn} ${state}: it was taken in and goes on without you; see: ${call.hint(`perdura why ${agent}`)}`,
    { details: { turn } },
  )
}
