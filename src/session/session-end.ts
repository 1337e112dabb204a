import { PerduraError, type ErrorCode } from '../errors.ts'
import { closeReason, type CloseReason } from '../protocol/close-codes.ts'

/** What a close after which nobody is to come back (4500-4999) means to whoever runs the agent. */
export function endOf(code: number, reason: string): PerduraError {
  const details = { closeCode: code }
  const error = (kind: ErrorCode, text: string): PerduraError => new PerduraError(kind, text, { details })
  switch (closeReason(code)) {
    case 'ended':
      return error(
        'ERR_SESSION_ENDED',
        `the session was ended at the hub (${reason}): start the agent again, and it has another one; what waits for it ` +
          'at the hub and what it has yet to send are kept',
      )
    case 'revoked':
      return error(
        'ERR_TOKEN_REVOKED',
        `the hub no longer accepts this agent (${reason}): ask who runs the hub, and start the agent again`,
      )
    case 'unsupported':
      return error(
        'ERR_HUB_PROTOCOL',
        `the hub does not speak this version (${reason}): bring both up to date`,
      )
    default:
      return error(
        'ERR_FENCED',
        `the hub has ended the session of this process (${reason}): stop the other one, or take over with ` +
          '`perdura start <agent> --takeover`',
      )
  }
}

const saidByLiveHubs: ReadonlySet<CloseReason> = new Set([
  'slow',
  'superseded',
  'rate',
  'resume_again',
  'unauthorized',
  'in_use',
])

/** Whether the hub that closed for this is in no trouble itself: another address of it would say the same. */
export function isSaidByLiveHub(why: CloseReason | undefined): boolean {
  return why !== undefined && saidByLiveHubs.has(why)
}
