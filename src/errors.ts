import { exitCodes } from './exit-codes.ts'

/**
 * Every code that Perdura reports. A code is never reused for something else, and each has its entry in
 * docs/reference/errors.md. `status` answers over HTTP, `exit` ends the command line, and `retryable` says whether
 * the same request may succeed later without anybody's doing.
 */
const table = {
  // What the caller wrote.
  ERR_USAGE: { status: 400, exit: exitCodes.usage, retryable: false },
  ERR_DURATION: { status: 400, exit: exitCodes.usage, retryable: false },
  ERR_AGENT_NAME: { status: 400, exit: exitCodes.usage, retryable: false },
  ERR_DEFINITION: { status: 400, exit: exitCodes.doNotRestart, retryable: false },
  ERR_DEFINITION_LOAD: { status: 400, exit: exitCodes.doNotRestart, retryable: false },
  ERR_NO_SUCH_AGENT: { status: 404, exit: exitCodes.noSuchAgent, retryable: false },
  ERR_NO_SUCH_CHILD: { status: 404, exit: exitCodes.noSuchAgent, retryable: false },
  ERR_NO_SUCH_TURN: { status: 404, exit: exitCodes.failed, retryable: false },
  ERR_NOT_RUNNING: { status: 503, exit: exitCodes.notRunning, retryable: true },
  ERR_TIMEOUT: { status: 504, exit: exitCodes.failed, retryable: true },
  ERR_FILE_EXISTS: { status: 409, exit: exitCodes.failed, retryable: false },
  ERR_PROFILE_RUNNING: { status: 409, exit: exitCodes.failed, retryable: true },
  ERR_FILE_WRITE: { status: 500, exit: exitCodes.failed, retryable: false },
  ERR_RECORD_WRITE: { status: 507, exit: exitCodes.failed, retryable: true },
  ERR_NODE_TOO_OLD: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  // The home and the store.
  ERR_HOME_UNWRITABLE: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_SETTINGS: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_HOME_IN_USE: { status: 409, exit: exitCodes.doNotRestart, retryable: true },
  ERR_DAEMON_RUNNING: { status: 409, exit: exitCodes.doNotRestart, retryable: true },
  ERR_DAEMON_PROTOCOL: { status: 409, exit: exitCodes.failed, retryable: false },
  ERR_PORT_IN_USE: { status: 409, exit: exitCodes.doNotRestart, retryable: true },
  ERR_STORE_NEWER: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_STORE_SCHEMA: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_STORE_CORRUPT: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_STORE_GAP: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_JOURNAL_CORRUPT: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_STORE_CLOSED: { status: 503, exit: exitCodes.failed, retryable: true },
  ERR_STORE_BUSY: { status: 503, exit: exitCodes.failed, retryable: true },
  ERR_STORE_WRITE: { status: 503, exit: exitCodes.failed, retryable: true },
  ERR_CREDENTIALS_KEY: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_AGENT_MOVED: { status: 409, exit: exitCodes.doNotRestart, retryable: false },
  ERR_AGENT_EXISTS: { status: 409, exit: exitCodes.failed, retryable: false },
  ERR_EXPORT_INVALID: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_EXPORT_NEWER: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_EXPORT_PASSPHRASE: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_CREDENTIALS_FILE: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_BACKUPS_BUSY: { status: 503, exit: exitCodes.failed, retryable: true },
  ERR_NO_SUCH_BACKUP: { status: 404, exit: exitCodes.failed, retryable: false },
  ERR_BACKUP_INVALID: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_BACKUP_KEY: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_BACKUP_OTHER_AGENT: { status: 409, exit: exitCodes.failed, retryable: false },
  ERR_BACKUP_NEWER: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_STORE_BROKEN: { status: 500, exit: exitCodes.crashed, retryable: true },
  // State.
  ERR_STATE_INVALID: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_STATE_NEWER: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_STATE_MIGRATION: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_STATE_CONFLICT: { status: 409, exit: exitCodes.failed, retryable: true },
  // What comes in.
  ERR_INBOX_FULL: { status: 429, exit: exitCodes.failed, retryable: true },
  ERR_PAYLOAD_TOO_LARGE: { status: 413, exit: exitCodes.failed, retryable: false },
  ERR_PAYLOAD_INVALID: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_IDEMPOTENCY_KEY_MISSING: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_IDEMPOTENCY_KEY_INVALID: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_IDEMPOTENCY_KEY_REUSED: { status: 422, exit: exitCodes.failed, retryable: false },
  ERR_NO_SUCH_ROUTE: { status: 404, exit: exitCodes.failed, retryable: false },
  ERR_METHOD: { status: 405, exit: exitCodes.failed, retryable: false },
  ERR_BROWSER_REFUSED: { status: 403, exit: exitCodes.failed, retryable: false },
  ERR_TOKEN: { status: 401, exit: exitCodes.failed, retryable: false },
  ERR_HTTP_UNREACHABLE: { status: 502, exit: exitCodes.failed, retryable: true },
  ERR_INTERNAL: { status: 500, exit: exitCodes.failed, retryable: false },
  // What goes out.
  ERR_OUTBOX_FULL: { status: 429, exit: exitCodes.failed, retryable: true },
  ERR_HOPS: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_RECIPIENT: { status: 400, exit: exitCodes.failed, retryable: false },
  // Turns.
  ERR_TURN_ENDED: { status: 409, exit: exitCodes.failed, retryable: false },
  ERR_TURN_TIMEOUT: { status: 504, exit: exitCodes.failed, retryable: true },
  ERR_TURN_PARKED: { status: 409, exit: exitCodes.failed, retryable: false },
  ERR_TURN_DEAD: { status: 500, exit: exitCodes.failed, retryable: false },
  ERR_TURN_CRASHED: { status: 500, exit: exitCodes.failed, retryable: false },
  ERR_TURN_CONTENT: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_TIMERS_FULL: { status: 429, exit: exitCodes.failed, retryable: true },
  ERR_MEMORY_FULL: { status: 429, exit: exitCodes.failed, retryable: false },
  // The hub, as its clients see it.
  ERR_HUB_STORAGE: { status: 503, exit: exitCodes.failed, retryable: true },
  ERR_HUB_BUSY: { status: 503, exit: exitCodes.failed, retryable: true },
  ERR_REQUEST_INVALID: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_CREDENTIALS: { status: 401, exit: exitCodes.doNotRestart, retryable: false },
  ERR_TOKEN_EXPIRED: { status: 401, exit: exitCodes.failed, retryable: true },
  ERR_TOKEN_REVOKED: { status: 401, exit: exitCodes.failed, retryable: false },
  ERR_OPEN_LOGIN: { status: 403, exit: exitCodes.doNotRestart, retryable: false },
  ERR_PROFILE_INACTIVE: { status: 403, exit: exitCodes.doNotRestart, retryable: false },
  ERR_HUB_KEYS: { status: 500, exit: exitCodes.doNotRestart, retryable: false },
  ERR_NAME_TAKEN: { status: 409, exit: exitCodes.doNotRestart, retryable: false },
  ERR_NO_SUCH_PROFILE: { status: 404, exit: exitCodes.failed, retryable: false },
  ERR_NO_SUCH_MESSAGE: { status: 404, exit: exitCodes.failed, retryable: false },
  ERR_NO_SUCH_SESSION: { status: 404, exit: exitCodes.failed, retryable: false },
  ERR_NOT_YOURS: { status: 403, exit: exitCodes.failed, retryable: false },
  ERR_RECIPIENT_FULL: { status: 429, exit: exitCodes.failed, retryable: true },
  ERR_RATE_LIMIT: { status: 429, exit: exitCodes.failed, retryable: true },
  // The agent at its hub.
  ERR_FENCED: { status: 409, exit: exitCodes.doNotRestart, retryable: false },
  ERR_SESSION_ENDED: { status: 409, exit: exitCodes.doNotRestart, retryable: false },
  ERR_HUB_IDENTITY: { status: 409, exit: exitCodes.doNotRestart, retryable: false },
  ERR_HUB_UNREACHABLE: { status: 502, exit: exitCodes.failed, retryable: true },
  ERR_HUB_PROTOCOL: { status: 502, exit: exitCodes.failed, retryable: true },
  ERR_EFFECT_REFUSED: { status: 400, exit: exitCodes.failed, retryable: false },
  ERR_EFFECT_UNKNOWN: { status: 409, exit: exitCodes.failed, retryable: false },
  // The service of this machine.
  ERR_SERVICE_UNSUPPORTED: { status: 501, exit: exitCodes.failed, retryable: false },
  ERR_SERVICE_BUS: { status: 503, exit: exitCodes.failed, retryable: false },
  ERR_SERVICE_MANAGER: { status: 502, exit: exitCodes.failed, retryable: false },
  ERR_SERVICE_FILE: { status: 500, exit: exitCodes.failed, retryable: false },
  ERR_SERVICE_CONFLICT: { status: 409, exit: exitCodes.failed, retryable: false },
  ERR_SERVICE_NOT_INSTALLED: { status: 404, exit: exitCodes.notRunning, retryable: false },
} as const satisfies Record<string, { status: number; exit: number; retryable: boolean }>

export type ErrorCode = keyof typeof table

export const errorCodes = Object.keys(table) as ErrorCode[]

export interface ErrorOptions {
  readonly cause?: unknown
  /** Facts to act on, without secrets: they are logged and sent to callers. */
  readonly details?: Readonly<Record<string, string | number | boolean | null>>
}

/** A fault that had to be expected. Its message says what the operator can do next. */
export class PerduraError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, string | number | boolean | null>>

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'PerduraError'
    this.code = code
    this.details = options.details ?? {}
  }

  get status(): number {
    return table[this.code].status
  }

  get exitCode(): number {
    return table[this.code].exit
  }

  get retryable(): boolean {
    return table[this.code].retryable
  }
}

/**
 * The value as an Error that can be read, whatever was thrown: an object without a prototype, a proxy, an error whose
 * getters throw. It never throws itself, since whoever calls it is dealing with a failure already.
 */
export function toError(thrown: unknown): Error {
  try {
    if (!(thrown instanceof Error)) return new Error(String(thrown))
    const { name, message, stack } = thrown
    const isReadable = [name, message, stack ?? ''].every((text) => typeof text === 'string')
    if (isReadable) return thrown
  } catch {
    // Below it is said that nothing can be said.
  }
  return new Error('what was thrown cannot be read')
}
