/** A server, or something between, may ask for any wait; longer than this nobody stays away for it. */
const retryAfterMsMax = 3_600_000

/**
 * How long a server asks to be left alone, ms: `retry-after-ms`, else `retry-after` in seconds, at most an hour.
 * Undefined where neither is a number that can be meant; the date that RFC 9110 allows too is a clock reading, and no
 * other machine's clock is trusted. Header names are in lower case.
 */
export function retryAfterMs(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): number | undefined {
  return durationOf(headers['retry-after-ms'], 1) ?? durationOf(headers['retry-after'], 1_000)
}

/** What `retryAfterMs` reads. Whole seconds are rounded up: whoever knows only them must not come too early. */
export function retryAfterHeaders(waitMs: number): Record<string, string> {
  const ms = Math.max(1, Math.ceil(waitMs))
  return { 'retry-after': String(Math.ceil(ms / 1_000)), 'retry-after-ms': String(ms) }
}

function durationOf(value: string | readonly string[] | undefined, unitMs: number): number | undefined {
  if (typeof value !== 'string' || !/^\d{1,15}(\.\d{1,9})?$/.test(value)) return undefined
  return Math.min(Math.ceil(Number(value) * unitMs), retryAfterMsMax)
}
