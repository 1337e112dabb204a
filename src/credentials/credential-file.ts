import { createHash } from 'node:crypto'
import path from 'node:path'
import * as v from 'valibot'
import { PerduraError } from '../errors.ts'
import type { Disk } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'
import { parse, parseJson } from '../protocol/parse.ts'
import { AgentKey, seedBytes } from './agent-key.ts'

export interface CredentialFileParts {
  readonly disk: Disk
  readonly random: Random
  /** Absolute; by convention `credentials` in the agent's folder. */
  readonly path: string
}

/** What a hub gave at a login or refresh, as it is kept. */
export interface Login {
  readonly aiId: number
  readonly refreshToken: string
  /** The generation that the login was made under; its tokens carry it, however often they are refreshed. */
  readonly generation: number
  /** What the hub calls itself; original servers have no such thing. */
  readonly hubId?: string | undefined
}

const version = 1
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const hubSchema = v.object({
  /** What the hub calls itself: no other is signed for at this place. */
  hub_id: v.optional(v.string()),
  /** The fencing number that this hub gave last. */
  generation: v.optional(count, 0),
  /** What the next generation is asked for with. */
  claim: v.optional(v.string()),
  /** Processes that have asked with this claim. */
  starts: v.optional(count, 0),
  login: v.optional(
    v.object({
      ai_id: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
      refresh_token: v.pipe(v.string(), v.minLength(1)),
      generation: count,
    }),
  ),
})

const contentSchema = v.object({
  /** The seed of the agent's Ed25519 key, in base64url. */
  seed: v.string(),
  /** The agent's places at its hubs, by the address that each hub was first met at. */
  hubs: v.record(v.string(), hubSchema),
  /** Other addresses of hubs that have a place, and which. */
  aliases: v.optional(v.record(v.string(), v.string()), {}),
})

/** The checksum is over `content` as it is written: one flipped bit would make another agent, or another generation. */
const fileSchema = v.object({ version: v.literal(version), sha256: v.string(), content: v.unknown() })

type HubEntry = v.InferOutput<typeof hubSchema>
type Content = v.InferOutput<typeof contentSchema>

/**
 * Reads the file, or makes it with a new key where there is none. ERR_CREDENTIALS_FILE where it is there and cannot be
 * used: it is never replaced by itself, since with the key the agent would lose its name at every hub.
 */
export function openCredentialFile(parts: CredentialFileParts): CredentialFile {
  const { disk, random } = parts
  const bytes = readBytes(parts)
  if (bytes !== undefined) return new CredentialFile(parts, contentOf(bytes, parts.path))
  const content = { seed: Buffer.from(random.bytes(seedBytes)).toString('base64url'), hubs: {}, aliases: {} }
  // On disk before any hub is told of it.
  guardWrite(parts.path, () => {
    disk.makeFolder(path.dirname(parts.path))
    disk.replaceFile(parts.path, bytesOf(content))
  })
  return new CredentialFile(parts, content)
}

/**
 * What an agent proves itself with, and the generation it has at each hub: outside its database, so that one that was
 * put back from a copy still knows which generation it had. One process writes it, the one that holds the agent's lock;
 * it keeps the content in memory and replaces the file as a whole, so that after a crash there is the old content or
 * the new. Nothing is believed in memory before it is on disk.
 */
export class CredentialFile {
  readonly #parts: CredentialFileParts
  readonly #key: AgentKey
  #content: Content
  /** Hubs at which this process is counted. */
  readonly #counted = new Set<string>()

  /** Use `openCredentialFile`. */
  constructor(parts: CredentialFileParts, content: Content) {
    this.#parts = parts
    this.#content = content
    this.#key = new AgentKey(Buffer.from(content.seed, 'base64url'))
  }

  /** 32 bytes in base64url. */
  get publicKey(): string {
    return this.#key.publicKey
  }

  /** The agent's signature in base64url. */
  sign(text: string): string {
    return this.#key.sign(text)
  }

  /** The agent's place at the hub with this address: what all the others here ask for by `hub`. */
  place(address: string): string {
    const { aliases } = this.#content
    return (Object.hasOwn(aliases, address) ? aliases[address] : undefined) ?? address
  }

  /** The place at the hub that calls itself so. */
  placeOf(hubId: string): string | undefined {
    return Object.entries(this.#content.hubs).find(([, entry]) => entry.hub_id === hubId)?.[0]
  }

  /** The hub of that place has this address now. */
  recordAddress(address: string, place: string): void {
    const { [address]: _, ...aliases } = this.#content.aliases
    this.#replace({
      ...this.#content,
      aliases: place === address ? aliases : { ...aliases, [address]: place },
    })
  }

  hubId(hub: string): string | undefined {
    return this.#entry(hub)?.hub_id
  }

  /** The agent's number at this hub, as far as it is known. */
  aiId(hub: string): number | undefined {
    return this.#entry(hub)?.login?.ai_id
  }

  /** What gets the next tokens, and the generation of its login. */
  refreshToken(hub: string): string | undefined {
    return this.#entry(hub)?.login?.refresh_token
  }

  /** The generation that the tokens of the present login carry. */
  loginGeneration(hub: string): number | undefined {
    return this.#entry(hub)?.login?.generation
  }

  /**
   * Puts a login, or its next refresh token, in the place of the one before. There is a claim from then on, and this process
   * is counted as one that asks with it.
   */
  recordLogin(hub: string, { aiId, refreshToken, generation, hubId }: Login): void {
    const login = { ai_id: aiId, refresh_token: refreshToken, generation }
    const claim = this.claim(hub) ?? this.#parts.random.uuid()
    const starts = this.start(hub) + (this.#counted.has(hub) ? 0 : 1)
    this.#write(hub, {
      ...this.#entry(hub),
      ...(hubId !== undefined && { hub_id: hubId }),
      generation: this.generation(hub),
      claim,
      starts,
      login,
    })
    this.#counted.add(hub)
  }

  /** 0 where the hub never gave one. */
  generation(hub: string): number {
    return this.#entry(hub)?.generation ?? 0
  }

  /** It only ever rises: a lower or equal one changes nothing. */
  recordGeneration(hub: string, generation: number): void {
    if (!Number.isSafeInteger(generation)) throw new RangeError(`${generation} is no generation`)
    if (generation <= this.generation(hub)) return
    this.#write(hub, { ...this.#entry(hub), generation, claim: this.#parts.random.uuid(), starts: 1 })
  }

  /**
   * What a generation is asked for with: on disk before it is sent, the same until a higher generation has been noted, and
   * kept with it. So a process that was killed before it could note its generation leaves the next one what proves that
   * it was meant. Undefined before the first login, without which nobody can ask.
   */
  claim(hub: string): string | undefined {
    return this.#entry(hub)?.claim
  }

  /** The how manyth process of those that ask with the claim this one is. */
  start(hub: string): number {
    return this.#entry(hub)?.starts ?? 0
  }

  #entry(hub: string): HubEntry | undefined {
    return Object.hasOwn(this.#content.hubs, hub) ? this.#content.hubs[hub] : undefined
  }

  #write(hub: string, entry: HubEntry): void {
    this.#replace({ ...this.#content, hubs: { ...this.#content.hubs, [hub]: entry } })
  }

  #replace(content: Content): void {
    guardWrite(this.#parts.path, () => this.#parts.disk.replaceFile(this.#parts.path, bytesOf(content)))
    this.#content = content
  }
}

function bytesOf(content: Content): Buffer {
  const text = JSON.stringify(content)
  return Buffer.from(`{"version":${version},"sha256":"${digest(text)}","content":${text}}\n`)
}

function contentOf(bytes: Uint8Array, file: string): Content {
  const text = Buffer.from(bytes).toString('utf8')
  const written = parseJson(v.object({ version: count }), text)
  if (written.ok && written.value.version > version) {
    throw unusable(file, 'was written by a newer Perdura: install that version; nothing was changed')
  }
  const outer = parseJson(fileSchema, text)
  // JSON.parse and JSON.stringify keep the order of members, and the hubs' names are no array indexes.
  if (outer.ok && outer.value.sha256 === digest(JSON.stringify(outer.value.content))) {
    const content = parse(contentSchema, outer.value.content)
    if (content.ok && Buffer.from(content.value.seed, 'base64url').length === seedBytes) return content.value
  }
  throw unusable(
    file,
    'is damaged, and is not replaced by itself, since it holds the key by which hubs know this agent: restore it from ' +
      'a copy, or remove it, and the agent has a new key, with which it needs another name at the hubs it was at',
  )
}

function readBytes({ disk, path: file }: CredentialFileParts): Uint8Array | undefined {
  try {
    return disk.readFile(file)
  } catch (error) {
    const code = systemCode(error)
    if (code === undefined) throw error
    throw unusable(file, `cannot be read (${code}): give this user the right to, or check the disk`, error)
  }
}

function guardWrite(file: string, write: () => void): void {
  try {
    write()
  } catch (error) {
    const code = systemCode(error)
    if (code === undefined) throw error
    throw new PerduraError(
      'ERR_STORE_WRITE',
      `${file} cannot be written (${code}): make room, or give this user the right to; the credentials that it has are kept`,
      { cause: error, details: { file } },
    )
  }
}

function unusable(file: string, what: string, cause?: unknown): PerduraError {
  return new PerduraError('ERR_CREDENTIALS_FILE', `${file} ${what}`, { cause, details: { file } })
}

function systemCode(error: unknown): string | undefined {
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' ? code : undefined
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
