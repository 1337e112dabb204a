import { PerduraError } from '../errors.ts'
import type { HttpAddress, HttpResponse } from './http.ts'

/** Why no answer came; `details.reason` of ERR_HTTP_UNREACHABLE. */
export type UnreachableReason = 'refused' | 'reset' | 'timeout' | 'aborted' | 'failed'

export function describeAddress(address: HttpAddress): string {
  if ('socketPath' in address) return address.socketPath
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${address.tls === true ? 'https://' : ''}${host}:${address.port}`
}

const explanations: Readonly<Record<UnreachableReason, string>> = {
  refused: 'no connection could be made; check that it runs and that the address is right',
  reset: 'it hung up before it had answered; whether it did what was asked is unknown',
  timeout: 'no answer in time; whether it did what was asked is unknown',
  aborted: 'the request was called off',
  failed: 'the exchange failed; whether it did what was asked is unknown',
}

export function unreachable(address: HttpAddress, reason: UnreachableReason, cause?: unknown): PerduraError {
  const where = describeAddress(address)
  const code = (cause as { code?: unknown } | undefined)?.code
  const hint = typeof code === 'string' && reason !== 'aborted' ? ` (${code})` : ''
  return new PerduraError('ERR_HTTP_UNREACHABLE', `${where} gave no answer: ${explanations[reason]}${hint}`, {
    cause,
    details: { address: where, reason },
  })
}

export function portInUse(address: HttpAddress, cause?: unknown): PerduraError {
  const what =
    'socketPath' in address
      ? `another process answers on ${address.socketPath}`
      : `port ${address.port} is in use`
  const where = 'socketPath' in address ? '' : ` on ${address.host}`
  const advice = 'socketPath' in address ? 'stop it first' : 'stop what listens there, or choose another port'
  return new PerduraError('ERR_PORT_IN_USE', `${what}${where}; ${advice}`, {
    cause,
    details: { address: describeAddress(address) },
  })
}

/** The answer to a failed request: what had to be expected is explained, anything else stays inside. */
export function errorResponse(thrown: unknown): HttpResponse {
  const error =
    thrown instanceof PerduraError
      ? thrown
      : new PerduraError('ERR_INTERNAL', 'something went wrong inside; its log says what')
  const { message, code, details, status } = error
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: new TextEncoder().encode(JSON.stringify({ success: false, error: message, code, details })),
  }
}

export function bodyTooLarge(bodyBytesMax: number): PerduraError {
  return new PerduraError(
    'ERR_PAYLOAD_TOO_LARGE',
    `the body is larger than ${bodyBytesMax} bytes; send less at once`,
    {
      details: { bodyBytesMax },
    },
  )
}
