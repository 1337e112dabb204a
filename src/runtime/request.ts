import { createHash, timingSafeEqual } from 'node:crypto'
import { PerduraError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import type { HttpRequest } from '../platform/http.ts'

/**
 * Throws ERR_BROWSER_REFUSED for what a web page could send. A page may post to loopback without asking first (CSRF),
 * and a name that it controls may be made to resolve to loopback (DNS rebinding); programs send no `Origin`, and name
 * the host by its loopback name.
 */
export function refuseBrowsers(request: HttpRequest, options: { readonly checkHost: boolean }): void {
  const { origin, host = '', 'sec-fetch-site': site } = request.headers
  const foreign = origin !== undefined || (site !== undefined && site !== 'none' && site !== 'same-origin')
  if (foreign || (options.checkHost && !/^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i.test(host))) {
    throw new PerduraError(
      'ERR_BROWSER_REFUSED',
      'requests of web pages are refused: send no Origin, and use localhost or 127.0.0.1 as the host',
    )
  }
}

/** Throws ERR_TOKEN unless the request bears `token`; takes as long for a wrong token as for the right one. */
export function checkToken(request: HttpRequest, token: string): void {
  const given = /^Bearer +(\S+)$/i.exec(request.headers['authorization'] ?? '')?.[1] ?? ''
  if (!timingSafeEqual(digest(given), digest(token))) {
    throw new PerduraError('ERR_TOKEN', 'send the token that was set for this as "Authorization: Bearer …"')
  }
}

/**
 * The `Idempotency-Key` of a request: 1 to 255 printable ASCII characters, plain or as a quoted string (RFC 8941, as
 * draft-ietf-httpapi-idempotency-key-header has it); both spellings are the same key.
 */
export function idempotencyKey(request: HttpRequest): string {
  const header = request.headers['idempotency-key']
  if (header === undefined || header === '') {
    throw new PerduraError(
      'ERR_IDEMPOTENCY_KEY_MISSING',
      'send an Idempotency-Key header: the same key again is taken for the same message, so that retries are safe',
    )
  }
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header)?.[1]
  const key = quoted === undefined ? header : quoted.replaceAll(/\\(["\\])/g, '$1')
  if (!/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw new PerduraError(
      'ERR_IDEMPOTENCY_KEY_INVALID',
      'an Idempotency-Key is 1 to 255 printable ASCII characters',
    )
  }
  return key
}

/** The body as a message: text where it says so, else any JSON value. */
export function readPayload(request: HttpRequest): Json {
  const type =
    (request.headers['content-type'] ?? 'application/json').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (type === 'text/plain') return decode(request.body)
  if (type === 'application/json' || /^application\/[\w.-]+\+json$/.test(type)) return readJsonBody(request)
  throw new PerduraError('ERR_PAYLOAD_INVALID', `send application/json or text/plain, not "${type}"`)
}

export function readJsonBody(request: HttpRequest): Json {
  const text = decode(request.body)
  if (nesting(text) > nestingMax) {
    throw new PerduraError('ERR_PAYLOAD_INVALID', `the body is nested more than ${nestingMax} levels deep`)
  }
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new PerduraError('ERR_PAYLOAD_INVALID', `the body is not JSON: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** A JSON object whose fields are taken one by one; every refusal names the field. */
export class Fields {
  readonly #body: JsonObject

  constructor(body: Json) {
    if (!isJsonObject(body)) throw new PerduraError('ERR_PAYLOAD_INVALID', 'the body must be a JSON object')
    this.#body = body
  }

  value(name: string): Json {
    const value = Object.hasOwn(this.#body, name) ? this.#body[name] : undefined
    if (value === undefined) throw new PerduraError('ERR_PAYLOAD_INVALID', `"${name}" is missing`)
    return value
  }

  optionalValue(name: string): Json | undefined {
    return Object.hasOwn(this.#body, name) ? this.#body[name] : undefined
  }

  text(name: string): string {
    const value = this.value(name)
    if (typeof value === 'string' && value !== '') return value
    throw new PerduraError('ERR_PAYLOAD_INVALID', `"${name}" must be a text`)
  }

  /** Undefined where it is missing or null. */
  optionalText(name: string): string | undefined {
    const value = this.optionalValue(name)
    return value === undefined || value === null ? undefined : this.text(name)
  }

  count(name: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.value(name)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max) return value
    const bounds = max === Number.MAX_SAFE_INTEGER ? '0 or more' : `from 0 to ${max}`
    throw new PerduraError('ERR_PAYLOAD_INVALID', `"${name}" must be a whole number, ${bounds}`)
  }

  optionalCount(name: string, max?: number): number | undefined {
    const value = this.optionalValue(name)
    return value === undefined || value === null ? undefined : this.count(name, max)
  }
}

// Deeper documents parse, but writing them again overflows the stack.
const nestingMax = 200

function nesting(text: string): number {
  let deepest = 0
  let depth = 0
  let inText = false
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at)
    if (inText) {
      if (character === 0x5c) at++
      else if (character === 0x22) inText = false
    } else if (character === 0x22) inText = true
    else if (character === 0x5b || character === 0x7b) deepest = Math.max(deepest, ++depth)
    else if (character === 0x5d || character === 0x7d) depth--
  }
  return deepest
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new PerduraError('ERR_PAYLOAD_INVALID', 'the body is not UTF-8', { cause })
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
