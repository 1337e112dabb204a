/**
 * Why a connection ended, as a WebSocket close code. 4000-4499: come back, the session is kept. 4500-4999: do not, the
 * answer would be the same. Everything else is of RFC 6455 and means that the connection is gone, and no more.
 */
export const closeCodes = {
  /** The peer breaks the protocol: a frame that cannot be read, or one that may not come now. */
  protocol_error: 4000,
  /** Nothing came for too long. */
  timeout: 4001,
  /** It did not read what was sent, until the bound of the queue. */
  slow: 4002,
  /** The same instance has a newer connection. */
  superseded: 4003,
  /** The hub goes away for a while. */
  drain: 4004,
  /** Too many frames. */
  rate: 4005,
  /** Numbering lineages do not match any more: `resume` again, and be told the new ones. */
  resume_again: 4006,
  /** The hub cannot write now. */
  unavailable: 4007,
  /** The access token is missing, expired, revoked or of the wrong kind: get another one. */
  unauthorized: 4401,
  /** The holder of the session is alive: another process of this agent runs. */
  in_use: 4409,
  /** Another instance has taken over. */
  replaced: 4500,
  /** It comes under a generation that has been raised since. */
  fenced: 4501,
  /** The agent, or its credentials, have been revoked. */
  revoked: 4502,
  /** The hub does not speak this version. */
  unsupported: 4503,
  /** Somebody who may act for the agent has ended the session. */
  ended: 4504,
} as const

export type CloseReason = keyof typeof closeCodes

const reasons = new Map<number, CloseReason>(
  Object.entries(closeCodes).map(([reason, code]) => [code, reason as CloseReason]),
)

export function closeReason(code: number): CloseReason | undefined {
  return reasons.get(code)
}

/** Whether it makes sense to come back after such a close. */
export function mayReconnect(code: number): boolean {
  return code < 4500 || code > 4999
}

/** RFC 6455 5.5: a control frame has at most 125 bytes, two of which are the code. */
const reasonBytesMax = 123

/** The text as the reason of a close: cut, where it is too long, between two characters. */
export function closeText(text: string): string {
  if (Buffer.byteLength(text) <= reasonBytesMax) return text
  return new TextDecoder().decode(Buffer.from(text).subarray(0, reasonBytesMax)).replace(/\uFFFD+$/, '')
}
