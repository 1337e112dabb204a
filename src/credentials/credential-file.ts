import path from 'node:path'
import { PerduraError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { Disk } from '../platform/disk.ts'
import type { KeyChest, StorageKey } from '../platform/key-chest.ts'
import type { Lock, Locks } from '../platform/locks.ts'
import type { Random } from '../platform/random.ts'
import { KeyRing, seedOf, type AgentKey } from './agent-key.ts'
import type { Content, HubEntry, LoginEntry } from './credential-content.ts'
import type { Moment } from './moment.ts'
import { portableOf } from './portable-credentials.ts'
import { seal, unseal, unusable } from './sealed-file.ts'

export interface CredentialFileParts {
  readonly disk: Disk
  readonly random: Random
  readonly locks: Locks
  /** What it is sealed with. */
  readonly chest: KeyChest
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
  readonly access: { readonly token: string; readonly lifeMs: number; readonly got: Moment }
  /** It goes on from the one before, and is no new one. */
  readonly isRefresh: boolean
  /** When it was asked for first, where it had to be asked for twice. */
  readonly unsettled?: Moment | undefined
}

/** Of another process: it never has the lock for longer than a write of a few kilobytes takes. */
const writeWaitMs = 5_000
/** Keys before the present one that some hub may still know. */
const oldSeedsMax = 8
/** Of stolen tokens that the agent has heard of. */
const heardMax = 20

/**
 * Reads the file, or makes it with a new key where there is none. ERR_CREDENTIALS_FILE where it is there and cannot be
 * used, ERR_CREDENTIALS_KEY where it cannot be opened.
 */
export function openCredentialFile(parts: CredentialFileParts): CredentialFile {
  return new CredentialFile(parts)
}

/**
 * What an agent proves itself with, and the generation it has at each hub: outside its database, so that one that was
 * put back from a copy still knows which generation it had.
 *
 * Several processes may have it open. Each change is made to what is on disk at that moment, under a lock, and the file
 * is replaced as a whole, so that after a crash there is the old content or the new. Nothing is believed in memory before
 * it is on disk. What others have written is seen with the next change, or with `reload`.
 */
export class CredentialFile {
  readonly #parts: CredentialFileParts
  #content: Content
  #key: StorageKey | undefined
  readonly #keys = new KeyRing()
  /** Hubs at which this process is counted, and as the how manyth. */
  readonly #counted = new Map<string, number>()

  /** Use `openCredentialFile`. */
  constructor(parts: CredentialFileParts) {
    const { chest, disk, path: file, random } = parts
    this.#parts = parts
    const known = this.#read()
    if (known !== undefined) {
      chest.protect(file)
      this.#content = known
      return
    }
    guardWrite(file, () => disk.makeFolder(path.dirname(file)))
    this.#content = this.#locked(() => {
      // Another process may have been faster.
      const made = this.#read()
      if (made !== undefined) return made
      const content = { seed: seedOf(random), old_seeds: [], hubs: {}, aliases: {} }
      // On disk before any hub is told of it.
      this.#replace(content)
      return content
    })
  }

  /** 32 bytes in base64url: of the newest key. */
  get publicKey(): string {
    return this.#keys.of(this.#content.seed).publicKey
  }

  /** Where the key is that the file is sealed with; undefined for one of before, which is sealed with its next change. */
  get keeper(): StorageKey['keeper'] | undefined {
    return this.#key?.keeper
  }

  /** Keys that the hub may know the agent by: first the one that it is known to know, then the newest. */
  keysFor(hub: string): AgentKey[] {
    const { seed, old_seeds: older } = this.#content
    const keys = [seed, ...older].map((one) => this.#keys.of(one))
    const known =
      this.#entry(hub)?.key ?? (this.#entry(hub)?.login === undefined ? undefined : keys.at(-1)?.publicKey)
    return keys.toSorted((a, b) => Number(b.publicKey === known) - Number(a.publicKey === known))
  }

  /** What the hub is known to know the agent by; undefined where it was met when there was one key. */
  hubKey(hub: string): string | undefined {
    return this.#entry(hub)?.key
  }

  /** Puts another key before those that there are; which hub knows it, `recordKey` says. */
  addKey(): void {
    this.#update((content) => {
      const { hubs, old_seeds: older, seed } = content
      const present = this.#keys.of(seed).publicKey
      const entries = Object.entries(hubs).map(([hub, entry]) => [
        hub,
        { ...entry, key: entry.key ?? present },
      ])
      return {
        ...content,
        seed: seedOf(this.#parts.random),
        old_seeds: [seed, ...older].slice(0, oldSeedsMax),
        hubs: Object.fromEntries(entries) as Content['hubs'],
      }
    })
  }

  /** The hub knows the agent by this key from now on. Keys that no hub knows any more are forgotten. */
  recordKey(hub: string, publicKey: string): void {
    this.#update((content) => {
      const hubs = { ...content.hubs, [hub]: { ...this.#entryOf(content, hub), key: publicKey } }
      const known = new Set(Object.values(hubs).map(({ key }) => key))
      const older = content.old_seeds.filter(
        (seed) => known.has(undefined) || known.has(this.#keys.of(seed).publicKey),
      )
      return { ...content, hubs, old_seeds: older }
    })
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

  /** Places at all hubs. */
  get places(): string[] {
    return Object.keys(this.#content.hubs)
  }

  /** The hub of that place has this address now. */
  recordAddress(address: string, place: string): void {
    this.#update((content) => {
      const { [address]: _, ...aliases } = content.aliases
      return { ...content, aliases: place === address ? aliases : { ...aliases, [address]: place } }
    })
  }

  hubId(hub: string): string | undefined {
    return this.#entry(hub)?.hub_id
  }

  /** The agent's number at this hub, as far as it is known. */
  aiId(hub: string): number | undefined {
    return this.#entry(hub)?.login?.ai_id
  }

  /** What was got last; undefined where there is none, or its agent has ended it. */
  login(hub: string): LoginEntry | undefined {
    const login = this.#entry(hub)?.login
    return login?.revoked === true ? undefined : login
  }

  /** Whether the last login was ended by its own agent. */
  isRevoked(hub: string): boolean {
    return this.#entry(hub)?.login?.revoked === true
  }

  /**
   * Puts a login, or its next tokens, in the place of those before, in one step: there is always one of the two on disk. There
   * is a claim from then on, and this process is counted as one that asks with it.
   */
  recordLogin(hub: string, granted: Login): void {
    const { access, aiId, generation, hubId, isRefresh, refreshToken, unsettled } = granted
    this.#updateCounted(hub, (entry) => {
      const before = isRefresh ? entry.login : undefined
      const now = access.got.wall
      const login = {
        ai_id: aiId,
        refresh_token: refreshToken,
        generation,
        since: before?.since ?? now,
        refreshed: now,
        rotations: before === undefined ? 0 : before.rotations + 1,
        access: { token: access.token, got: access.got, life_ms: access.lifeMs },
        ...(unsettled !== undefined && { unsettled }),
        revoked: false,
      }
      return { ...entry, ...(hubId !== undefined && { hub_id: hubId }), login }
    })
  }

  /** This process goes on with a login of another one: it is counted as one that asks with the claim. */
  recordStart(hub: string): void {
    if (!this.#counted.has(hub)) this.#updateCounted(hub, (entry) => entry)
  }

  /** Before the refresh token is shown to the hub: it may be used up from then on. */
  recordAsked(hub: string, asked: NonNullable<LoginEntry['asked']>): void {
    this.#updateLogin(hub, (login) => ({ ...login, asked }))
  }

  /** The hub has not got to see it. */
  recordUnasked(hub: string): void {
    this.#updateLogin(hub, ({ asked: _, ...login }) => login)
  }

  /** The agent itself has ended the login. */
  recordRevoked(hub: string): void {
    this.#updateLogin(hub, ({ access: _access, asked: _asked, ...login }) => ({ ...login, revoked: true }))
  }

  /** Those of these logins, ended for a stolen token, that the agent has not heard of. */
  unheard(hub: string, logins: readonly string[]): string[] {
    const heard = this.#entry(hub)?.heard ?? []
    return logins.filter((login) => !heard.includes(login))
  }

  recordHeard(hub: string, logins: readonly string[]): void {
    this.#updateEntry(hub, (entry) => ({ ...entry, heard: [...entry.heard, ...logins].slice(-heardMax) }))
  }

  /** 0 where the hub never gave one. */
  generation(hub: string): number {
    return this.#entry(hub)?.generation ?? 0
  }

  /** It only ever rises: a lower or equal one changes nothing. */
  recordGeneration(hub: string, generation: number): void {
    if (!Number.isSafeInteger(generation)) throw new RangeError(`${generation} is no generation`)
    if (generation <= this.generation(hub)) return
    const next = { generation, claim: this.#parts.random.uuid(), starts: 1, takeover: undefined }
    this.#updateEntry(hub, (entry) => (generation <= entry.generation ? entry : { ...entry, ...next }))
    this.#counted.set(hub, this.#entry(hub)?.starts ?? 0)
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
    return this.#counted.get(hub) ?? this.#entry(hub)?.starts ?? 0
  }

  /** Whether the next generation is to be taken from whoever has the session: see `portable`. */
  takeover(hub: string): boolean {
    return this.#entry(hub)?.takeover ?? false
  }

  /** Another copy of the agent has that right now. */
  forgetTakeovers(): void {
    for (const hub of this.places) {
      if (this.takeover(hub)) this.#updateEntry(hub, (entry) => ({ ...entry, takeover: undefined }))
    }
  }

  /** What another copy of the agent needs in order to take its place; without tokens, and for one that proves nothing here. */
  portable(): JsonObject {
    return portableOf(this.#read() ?? this.#content)
  }

  /** Takes in what other processes have written. */
  reload(): void {
    this.#content = this.#read() ?? this.#content
  }

  /** For whoever is about to ask a hub for tokens: one process at a time. Undefined where another one is about to. */
  tryLockTokens(): Lock | undefined {
    return this.#parts.locks.tryLock(`${this.#parts.path}.tokens.lock`)
  }

  /** A change by a process that is counted among those that ask with the claim. */
  #updateCounted(hub: string, change: (entry: HubEntry) => HubEntry): void {
    const isNew = !this.#counted.has(hub)
    this.#updateEntry(hub, (entry) => ({
      ...change(entry),
      claim: entry.claim ?? this.#parts.random.uuid(),
      starts: entry.starts + (isNew ? 1 : 0),
    }))
    if (isNew) this.#counted.set(hub, this.#entry(hub)?.starts ?? 0)
  }

  #entry(hub: string): HubEntry | undefined {
    return Object.hasOwn(this.#content.hubs, hub) ? this.#content.hubs[hub] : undefined
  }

  #entryOf({ hubs }: Content, hub: string): HubEntry {
    const known = Object.hasOwn(hubs, hub) ? hubs[hub] : undefined
    return known ?? { generation: 0, starts: 0, heard: [] }
  }

  #updateLogin(hub: string, change: (login: LoginEntry) => LoginEntry): void {
    this.#updateEntry(hub, (entry) =>
      entry.login === undefined ? entry : { ...entry, login: change(entry.login) },
    )
  }

  #updateEntry(hub: string, change: (entry: HubEntry) => HubEntry): void {
    this.#update((content) => ({
      ...content,
      hubs: { ...content.hubs, [hub]: change(this.#entryOf(content, hub)) },
    }))
  }

  #update(change: (content: Content) => Content): void {
    this.#content = this.#locked(() => {
      const changed = change(this.#read() ?? this.#content)
      this.#replace(changed)
      return changed
    })
  }

  #locked<T>(act: () => T): T {
    const { locks, path: file } = this.#parts
    let lock: Lock | undefined
    guardWrite(file, () => (lock = locks.lock(`${file}.lock`, writeWaitMs)))
    try {
      return act()
    } finally {
      lock?.release()
    }
  }

  #read(): Content | undefined {
    const { chest, disk, path: file } = this.#parts
    const bytes = readBytes(disk, file)
    if (bytes === undefined) return undefined
    const { content, key } = unseal(bytes, file, chest)
    this.#key = key
    return content
  }

  /** Under the key that it had, or under that of systemd where there is one by now. */
  #replace(content: Content): void {
    const { chest, disk, path: file, random } = this.#parts
    const key =
      (this.#key?.keeper === 'systemd' ? undefined : chest.find('systemd')) ?? this.#key ?? chest.open()
    const bytes = seal(content, key, random)
    guardWrite(file, () => disk.replaceFile(file, bytes))
    this.#key = key
  }
}

function readBytes(disk: Disk, file: string): Uint8Array | undefined {
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
    if (code === undefined || error instanceof PerduraError) throw error
    throw new PerduraError(
      'ERR_STORE_WRITE',
      `${file} cannot be written (${code}): make room, or give this user the right to; the credentials that it has are kept`,
      { cause: error, details: { file } },
    )
  }
}

function systemCode(error: unknown): string | undefined {
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' ? code : undefined
}
