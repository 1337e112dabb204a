import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { openCredentialFile, type CredentialFile } from '../../../src/credentials/credential-file.ts'
import { HubCredentials, type HubCredentialsOptions } from '../../../src/credentials/hub-credentials.ts'
import type { AskedAddresses } from '../../../src/credentials/hub-place.ts'
import { PerduraError } from '../../../src/errors.ts'
import { type JsonObject, textOf } from '../../../src/json.ts'
import { parseHttpUrl, type HttpUrl } from '../../../src/platform/http-json.ts'
import type { HttpRequest, HttpResponse } from '../../../src/platform/http.ts'
import { isSignedBy } from '../../../src/hub/auth/credentials.ts'
import { hubProof } from '../../../src/protocol/hub-proof.ts'
import { keyChangeText } from '../../../src/protocol/rest.ts'
import type { LogFields } from '../../../src/platform/log.ts'
import {
  createSeededRandom,
  type SimulatedClock,
  SimulatedHttp,
  type SimulatedProcess,
} from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'
import {
  bootClockOf,
  createSimulation,
  credentialParts,
  type SimulatedMachine,
} from '../../helpers/simulated-machine.ts'

export const hubUrl = parseHttpUrl('http://hub.test:8767')
/** A hub that is reached at one address. */
export function addressesOf({ address, key }: HttpUrl): AskedAddresses {
  const current = { key, rest: address }
  return { list: [current], current }
}

export const credentialPath = '/home/agents/Ada/credentials'
const graceMs = 30_000

interface Family {
  readonly aiId: number
  leaf: string
  previous: string | undefined
  rotatedMs: number
  revoked: boolean
}

/** Answers a request in the hub's place; undefined leaves it to the hub. */
type Script = (path: string, body: JsonObject) => HttpResponse | undefined | Promise<HttpResponse | undefined>

export function answer(status: number, body: JsonObject | string): HttpResponse {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return { status, headers: {}, body: Buffer.from(text) }
}

export function refusal(status: number, code?: string): HttpResponse {
  return answer(status, { success: false, error: 'no', ...(code !== undefined && { code }) })
}

/** A hub as an agent's credentials see it: challenges, families of tokens, and what it was asked. */
export class FakeHub {
  /** Paths without the prefix, in the order in which they came. */
  readonly calls: string[] = []
  readonly bodies: JsonObject[] = []
  /** Every token that it gave. */
  readonly secrets: string[] = []
  /** Times that it took a token for a stolen one. */
  alarms = 0
  readonly profiles = new Map<string, { readonly aiId: number; readonly publicKey: string }>()
  script: Script = () => undefined
  /** As an original server: no challenges, login by name. */
  plain = false
  expiresInS = 600
  readonly #clock: Pick<SimulatedClock, 'monotonicMs'>
  readonly #nonces = new Set<string>()
  readonly #families: Family[] = []
  /** Of all refresh tokens, by what stands before it. */
  readonly #signatures = new Map<string, string>()
  #drawn = 0

  constructor(clock: Pick<SimulatedClock, 'monotonicMs'>) {
    this.#clock = clock
  }

  async handle(request: HttpRequest): Promise<HttpResponse> {
    assert.equal(request.method, request.path.endsWith('/ai/key') ? 'PUT' : 'POST')
    const path = request.path.replace('/api/v1', '')
    const body = JSON.parse(Buffer.from(request.body).toString()) as JsonObject
    this.calls.push(path)
    this.bodies.push(body)
    return (await this.script(path, body)) ?? this.answer(path, body)
  }

  answer(path: string, body: JsonObject): HttpResponse {
    const name = textOf(body['ai_name'] ?? body['name'] ?? '')
    if (path === '/auth/refresh') return this.#refresh(textOf(body['refresh_token'] ?? ''))
    if (this.plain) return path === '/auth/login' ? this.#plainLogin(body) : answer(404, '404: Not Found')
    if (path === '/ai/key') return this.#changeKey(body)
    if (path === '/auth/prove') return this.#prove(textOf(body['token'] ?? ''), textOf(body['nonce'] ?? ''))
    if (path === '/auth/challenge') {
      const nonce = this.#draw('nonce')
      this.#nonces.add(nonce)
      return answer(200, { success: true, nonce, expires_in: 60, hub: 'hub-1' })
    }
    if (path === '/ai/register') {
      const publicKey = textOf(body['public_key'] ?? '')
      const known = this.profiles.get(name)
      if (known !== undefined && known.publicKey !== publicKey) return refusal(409, 'ERR_NAME_TAKEN')
      this.profiles.set(name, known ?? { aiId: this.profiles.size + 7, publicKey })
      return answer(200, { success: true, ai: { id: this.profiles.get(name)?.aiId ?? 0 } })
    }
    return this.#login(name, body)
  }

  /** Every token that it gave is refused from now on. */
  revokeAll(): void {
    for (const family of this.#families) family.revoked = true
  }

  #changeKey(body: JsonObject): HttpResponse {
    const { nonce, proof, public_key: publicKey, signature } = body as Record<string, string>
    const [name, profile] = [...this.profiles][0] ?? ['', undefined]
    const hubId = 'hub-1'
    const text = keyChangeText({ hubId, name, nonce: nonce ?? '', publicKey: publicKey ?? '' })
    const isProven =
      isSignedBy(publicKey ?? '', text, proof ?? '') &&
      isSignedBy(profile?.publicKey ?? '', text, signature ?? '')
    if (profile === undefined || !isProven || !this.#nonces.delete(nonce ?? ''))
      return refusal(401, 'ERR_CREDENTIALS')
    this.profiles.set(name, { ...profile, publicKey: publicKey ?? '' })
    return answer(200, { success: true, changed: true, ended: 0 })
  }

  #prove(half: string, nonce: string): HttpResponse {
    const signature = this.#signatures.get(half)
    if (signature === undefined) return refusal(401, 'ERR_TOKEN')
    return answer(200, { success: true, hub: 'hub-1', proof: hubProof(signature, 'hub-1', nonce) })
  }

  #login(name: string, body: JsonObject): HttpResponse {
    const profile = this.profiles.get(name)
    if (profile === undefined) return refusal(404, 'ERR_NO_SUCH_PROFILE')
    const { nonce, signature } = body as { nonce: string; signature: string }
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: profile.publicKey },
      format: 'jwk',
    })
    const text = Buffer.from(`perdura-login:hub-1:${name}:${nonce}`)
    const proven = verify(null, text, key, Buffer.from(signature, 'base64url'))
    if (!proven || !this.#nonces.delete(nonce)) return refusal(401, 'ERR_CREDENTIALS')
    return this.#open(profile.aiId)
  }

  #plainLogin(body: JsonObject): HttpResponse {
    const { ai_name: name, ai_id: id } = body as { ai_name: string; ai_id: number }
    const ids = [...this.profiles.values()].map(({ aiId }) => aiId)
    if (id !== 0 && !ids.includes(id)) return refusal(404)
    const aiId = id === 0 ? (this.profiles.get(name)?.aiId ?? this.profiles.size + 7) : id
    this.profiles.set(name, { aiId, publicKey: '' })
    return this.#open(aiId)
  }

  #open(aiId: number): HttpResponse {
    const leaf = this.#drawRefresh()
    const family = { aiId, leaf, previous: undefined, rotatedMs: this.#clock.monotonicMs(), revoked: false }
    this.#families.push(family)
    return this.#grant(family, { ai_id: aiId, ai_name: 'Ada', surprise: true })
  }

  #refresh(token: string): HttpResponse {
    const family = this.#families.find(({ leaf, previous }) => leaf === token || previous === token)
    // One of a family that is older than the one before is a replay at once.
    if (family === undefined && this.secrets.includes(token)) this.alarms += 1
    if (family === undefined || family.revoked)
      return refusal(401, this.plain ? undefined : 'ERR_TOKEN_REVOKED')
    const nowMs = this.#clock.monotonicMs()
    if (family.leaf === token) {
      family.previous = token
      family.leaf = this.#drawRefresh()
      family.rotatedMs = nowMs
    } else if (nowMs - family.rotatedMs > graceMs) {
      family.revoked = true
      this.alarms += 1
      return refusal(401, 'ERR_TOKEN_REVOKED')
    }
    return this.#grant(family, {})
  }

  #grant({ leaf }: Family, more: JsonObject): HttpResponse {
    const token = this.#draw('access')
    this.secrets.push(token, leaf)
    return answer(200, { success: true, token, refresh_token: leaf, expires_in: this.expiresInS, ...more })
  }

  #drawRefresh(): string {
    const signature = this.#draw('refresh')
    const half = `header.payload-${this.#drawn}`
    this.#signatures.set(half, signature)
    return `${half}.${signature}`
  }

  #draw(what: string): string {
    return `${what}-secret-${(this.#drawn += 1)}`
  }
}

export interface Scene extends SimulatedMachine {
  readonly http: SimulatedHttp
  readonly hub: FakeHub
  /** Everything that was logged. */
  readonly logged: LogFields[]
  /** Opens the file and what uses it, in a new process. */
  start(options?: Partial<HubCredentialsOptions> & { readonly bootId?: string }): Agent
}

export interface Agent {
  readonly process: SimulatedProcess
  readonly file: CredentialFile
  readonly credentials: HubCredentials
}

/** A machine with an agent on it, and a hub that is not. */
export function createScene(seed: number | string = 1): Scene {
  const machine = createSimulation(seed)
  const { clock, random, disk, boot } = machine
  const http = new SimulatedHttp({ clock, random })
  const hub = new FakeHub(clock)
  const logged: LogFields[] = []
  http.serve(hubUrl.address, (request) => hub.handle(request))
  const drawing = createSeededRandom(`${seed}/agent`)
  return {
    ...machine,
    http,
    hub,
    logged,
    start({ bootId, ...options } = {}) {
      const process = boot()
      const file = openCredentialFile({ ...credentialParts(disk, drawing, process), path: credentialPath })
      const credentials = new HubCredentials({
        file,
        http: http.clientFor(process),
        clock: clock.for(process),
        boot: bootClockOf(clock, bootId),
        random: drawing,
        log: createSimulatedLog(new Trace(), (event, fields) => logged.push({ event, ...fields })),
        hub: { addresses: addressesOf(hubUrl), pathPrefix: hubUrl.pathPrefix },
        name: 'Ada',
        ...options,
      })
      return { process, file, credentials }
    },
  }
}

export function hasCode(code: string, retryable: boolean) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof PerduraError, String(error))
    assert.equal(error.code, code, error.message)
    assert.equal(error.retryable, retryable)
    return true
  }
}
