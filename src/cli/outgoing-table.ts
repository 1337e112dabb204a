import { formatDuration } from '../duration.ts'
import type { OutgoingView } from '../runtime/turn-queries.ts'
import { excerpt, formatTime, type Output } from './output.ts'

export function outgoingTable(output: Output, messages: readonly OutgoingView[], nowMs: number): void {
  output.table(
    ['message', 'turn', 'to', 'since', 'priority', 'status', 'expires', 'attempts', 'text'],
    messages.map((message) => [
      `out:${message.sequence}`,
      message.turn === 0 ? '–' : String(message.turn),
      message.to,
      formatTime(message.createdAt, nowMs),
      message.priority,
      standingWord(message),
      expiryWord(message, nowMs),
      String(message.attempts),
      excerpt(message.text, 60) + (message.error === null ? '' : ` (${excerpt(message.error, 80)})`),
    ]),
  )
}

/** Where a message stands: whether its owner can still take it back. */
export function standingWord({ status, seq, isUnderWay, retriedAs }: OutgoingView): string {
  if (status !== 'pending') return retriedAs === null ? status : `${status}, again as out:${retriedAs}`
  if (!isUnderWay) return 'waits'
  return seq === null ? 'under way' : `under way, number ${seq}`
}

export function expiryWord({ status, expiresAt, isUnderWay }: OutgoingView, nowMs: number): string {
  if (status !== 'pending' || isUnderWay || expiresAt === null) return '–'
  return expiresAt <= nowMs ? 'is due' : `in ${formatDuration(expiresAt - nowMs)}`
}
