import { PerduraError } from '../errors.ts'
import type { TurnStatus, TurnSummary } from '../runtime/turn-queries.ts'
import { excerpt, formatTime, type Output, type Style } from './output.ts'

const styles = {
  pending: 'cyan',
  running: 'cyan',
  parked: 'yellow',
  done: 'green',
  dead: 'red',
} as const satisfies Record<TurnStatus, Style>

export function turnTable(output: Output, turns: readonly TurnSummary[], nowMs: number): void {
  output.table(
    ['turn', 'status', 'came in', 'from', 'conversation', 'attempts', 'text'],
    turns.map((turn) => [
      String(turn.turn),
      turn.status,
      formatTime(turn.receivedAt, nowMs),
      turn.from,
      turn.conversation,
      String(turn.attempts),
      excerpt(turn.kind === 'message' ? turn.text : `(${turn.kind}) ${turn.text}`, 60) +
        (turn.error === null ? '' : ` (${excerpt(turn.error, 80)})`),
    ]),
  )
}

export function paintStatus(output: Output, status: TurnStatus): string {
  return output.paint(styles[status], status)
}

/** A turn's number as it was typed; ERR_USAGE where it is none. */
export function parseTurn(text: string): number {
  const turn = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(turn) && turn > 0) return turn
  throw new PerduraError(
    'ERR_USAGE',
    `${JSON.stringify(text)} is not a turn: give its number, as perdura turn list shows it`,
  )
}

export function noSuchTurn(agent: string, turn: number): PerduraError {
  return new PerduraError(
    'ERR_NO_SUCH_TURN',
    `${agent} has no turn ${turn} on record: see perdura turn list ${agent}`,
  )
}
