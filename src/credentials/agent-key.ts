import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'
import type { Random } from '../platform/random.ts'

/** Bytes that an Ed25519 private key is made from (RFC 8032 5.1.5). */
export const seedBytes = 32

/** What stands before the seed in PKCS #8 (RFC 8410 7): version 0, algorithm 1.3.101.112, an octet string in one. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

/**
 * The key that an agent proves itself with at every hub. Made from its seed, since Node's own generator cannot be
 * simulated; both are kept where neither `JSON.stringify` nor `inspect` looks.
 */
export class AgentKey {
  /** 32 bytes in base64url, as hubs are told them. */
  readonly publicKey: string
  readonly #key: KeyObject

  constructor(seed: Uint8Array) {
    if (seed.length !== seedBytes) throw new RangeError(`a seed has ${seedBytes} bytes`)
    this.#key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
    const { x } = createPublicKey(this.#key).export({ format: 'jwk' })
    if (x === undefined) throw new Error('the public key cannot be exported')
    this.publicKey = x
  }

  /** The signature in base64url. */
  sign(text: string): string {
    return sign(null, Buffer.from(text), this.#key).toString('base64url')
  }
}

/** A new one, in base64url. */
export function seedOf(random: Pick<Random, 'bytes'>): string {
  return Buffer.from(random.bytes(seedBytes)).toString('base64url')
}

export function keyOf(seed: string): AgentKey {
  return new AgentKey(Buffer.from(seed, 'base64url'))
}

/** Keys by their seeds, each made once: it is asked for several times in a login, and costs two keys of OpenSSL. */
export class KeyRing {
  readonly #keys = new Map<string, AgentKey>()

  of(seed: string): AgentKey {
    const key = this.#keys.get(seed) ?? keyOf(seed)
    this.#keys.set(seed, key)
    return key
  }
}
