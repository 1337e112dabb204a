import { createHash } from 'node:crypto'
import path from 'node:path'
import * as v from 'valibot'
import { PerduraError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Disk } from '../../platform/disk.ts'
import type { Random } from '../../platform/random.ts'
import { parseJson } from '../../protocol/parse.ts'
import type { TokenKey } from './jwt.ts'

export interface SigningKeysOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  /** Absolute path; made where it is missing. */
  readonly folder: string
  /** How long the longest-lived token is good: so long an older key is kept. */
  readonly tokenLifeS: number
}

interface SigningKey extends TokenKey {
  readonly createdAt: number
}

const day = 86_400_000
/** Whoever invents names of keys makes no more work than this. */
const readEveryMs = 1_000
const rotateAfterMs = 30 * day
/** For clocks that differ, between hubs and over time. */
const marginMs = day

const keyFile = v.object({
  kid: v.string(),
  created_at: v.pipe(v.number(), v.safeInteger()),
  secret: v.string(),
})

/**
 * What the hub signs tokens with: one file a key, of which the newest signs and the others verify what they have signed.
 * Opening makes the first one. A name of a key is a digest of what it holds, so a damaged file is never taken for a key.
 */
export class SigningKeys {
  readonly #options: SigningKeysOptions
  /** The newest first. */
  #keys: SigningKey[]
  /** Wall-clock ms at which the folder was read last. */
  #readAt: number

  constructor(options: SigningKeysOptions) {
    const { clock, disk, folder } = options
    this.#options = options
    disk.makeFolder(folder)
    this.#keys = this.#read()
    this.#readAt = clock.now()
    this.rotate()
  }

  /** The key that signs now. */
  get current(): TokenKey {
    return this.#keys[0]!
  }

  /** Of one that is not known another hub on the same folder may have made it: looked for once a second at most. */
  find(kid: string): TokenKey | undefined {
    const known = this.#keys.find((key) => key.kid === kid)
    const now = this.#options.clock.now()
    if (known !== undefined || Math.abs(now - this.#readAt) < readEveryMs) return known
    this.#readAt = now
    try {
      this.#keys = this.#read()
    } catch {
      // What is wrong with a file is for the next start: those that are in memory go on.
      return undefined
    }
    return this.#keys.find((key) => key.kid === kid)
  }

  #read(): SigningKey[] {
    const { disk, folder } = this.#options
    return disk
      .list(folder)
      .filter((name) => !name.startsWith('.') && name.endsWith('.json'))
      .map((name) => readKey(disk, path.join(folder, name)))
      .toSorted(newestFirst)
  }

  /** Makes a new key once the newest is 30 days old, and removes those that no valid token is signed with any more. */
  rotate(): void {
    const { clock, disk, folder, tokenLifeS } = this.#options
    const now = clock.now()
    const newest = this.#keys[0]
    if (newest === undefined || now - newest.createdAt > rotateAfterMs) {
      // On disk before it signs anything: a token must not outlive its key in a crash.
      this.#keys = [this.#make(now), ...this.#keys].toSorted(newestFirst)
    }
    // A key signs until the next one is made, and what it signed then lives on.
    const isNeeded = (index: number): boolean => {
      const successor = this.#keys[index - 1]
      return successor === undefined || now - successor.createdAt <= tokenLifeS * 1_000 + marginMs
    }
    const kept = this.#keys.filter((_key, index) => isNeeded(index))
    const removed = this.#keys.filter((key) => !kept.includes(key))
    this.#keys = kept
    for (const { kid } of removed) disk.remove(fileOf(folder, kid))
    if (removed.length > 0) disk.syncFolder(folder)
  }

  #make(createdAt: number): SigningKey {
    const { disk, folder, random } = this.#options
    const secret = random.bytes(32)
    const kid = kidOf(secret, createdAt)
    const text = JSON.stringify({
      kid,
      created_at: createdAt,
      secret: Buffer.from(secret).toString('base64url'),
    })
    disk.replaceFile(fileOf(folder, kid), Buffer.from(`${text}\n`))
    return { kid, createdAt, secret }
  }
}

function readKey(disk: Disk, file: string): SigningKey {
  const bytes = disk.readFile(file)
  const parsed = parseJson(keyFile, Buffer.from(bytes ?? []).toString())
  if (parsed.ok) {
    const { kid, created_at: createdAt, secret: text } = parsed.value
    const secret = Buffer.from(text, 'base64url')
    if (kid === kidOf(secret, createdAt) && path.basename(file) === `${kid}.json`) {
      return { kid, createdAt, secret }
    }
  }
  throw new PerduraError(
    'ERR_HUB_KEYS',
    `${file} is damaged, and it is not replaced by itself: restore it from a copy, or remove it, and every agent ` +
      'logs in again',
    { details: { file } },
  )
}

function kidOf(secret: Uint8Array, createdAt: number): string {
  return createHash('sha256').update(`${createdAt}:`).update(secret).digest('hex').slice(0, 16)
}

function fileOf(folder: string, kid: string): string {
  return path.join(folder, `${kid}.json`)
}

function newestFirst(a: SigningKey, b: SigningKey): number {
  return b.createdAt - a.createdAt || (a.kid < b.kid ? -1 : 1)
}
