import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import * as v from 'valibot'
import { PerduraError } from '../errors.ts'
import { keyKeepers, type KeyChest, type StorageKey } from '../platform/key-chest.ts'
import type { Random } from '../platform/random.ts'
import { parse, parseJson } from '../protocol/parse.ts'
import { seedBytes } from './agent-key.ts'
import { type Content, contentSchema } from './credential-content.ts'

/*
 * Version 2, as JSON on one line: a header that says which key it is sealed with and by whom that is kept, a nonce, and the
 * content, encrypted and authenticated together with all of what stands before it (AES-256-GCM). Nonces are drawn: with
 * 2^32 writes under one key, two are the same with a chance of 2^-33, and a busy agent writes 2^17 times a year.
 *
 * Version 1, as it was before: the content as it is, with a checksum. It is read, and written no more.
 */

const version = 2
const nonceBytes = 12
const tagBytes = 16

const headerSchema = v.object({
  version: v.literal(version),
  key: v.object({ id: v.string(), keeper: v.picklist(keyKeepers) }),
  nonce: v.string(),
})
const sealedSchema = v.object({ ...headerSchema.entries, sealed: v.string() })
const plainSchema = v.object({ version: v.literal(1), sha256: v.string(), content: v.unknown() })

export interface Unsealed {
  readonly content: Content
  /** Undefined for a file that is not sealed. */
  readonly key: StorageKey | undefined
}

/**
 * What the file holds. ERR_CREDENTIALS_FILE where it is damaged or of a newer version, ERR_CREDENTIALS_KEY where it is whole as
 * far as anybody can tell, and the key is not there or is another. Neither is ever mended by itself: with the content the
 * agent would lose its name at every hub.
 */
export function unseal(bytes: Uint8Array, file: string, chest: KeyChest): Unsealed {
  const text = Buffer.from(bytes).toString('utf8')
  const written = parseJson(v.object({ version: v.pipe(v.number(), v.safeInteger()) }), text)
  if (!written.ok) throw damaged(file)
  if (written.value.version > version)
    throw unusable(file, 'was written by a newer Perdura: install that version; nothing was changed')
  if (written.value.version === 1) return { content: ofPlain(text, file), key: undefined }
  const parsed = parseJson(sealedSchema, text)
  if (!parsed.ok) throw damaged(file)
  const { key: named, nonce, sealed } = parsed.value
  const key = chest.find(named.keeper)
  if (key === undefined || keyId(key) !== named.id) throw keyless(file, parsed.value.key, key)
  const content = parseJson(contentSchema, open(key, headerOf(named, nonce), nonce, sealed) ?? '')
  if (!content.ok || !isWhole(content.value)) throw damaged(file)
  return { content: content.value, key }
}

export function seal(content: Content, key: StorageKey, random: Pick<Random, 'bytes'>): Buffer {
  const iv = random.bytes(nonceBytes)
  const nonce = Buffer.from(iv).toString('base64url')
  const header = headerOf({ id: keyId(key), keeper: key.keeper }, nonce)
  const cipher = createCipheriv('aes-256-gcm', key.bytes, iv, { authTagLength: tagBytes })
  cipher.setAAD(Buffer.from(header))
  const sealed = Buffer.concat([
    cipher.update(JSON.stringify(content), 'utf8'),
    cipher.final(),
    cipher.getAuthTag(),
  ])
  return Buffer.from(`${header.slice(0, -1)},"sealed":"${sealed.toString('base64url')}"}\n`)
}

/** A name of the key that does not tell it. */
function keyId({ bytes }: StorageKey): string {
  return createHash('sha256').update('perdura-storage-key:').update(bytes).digest('hex').slice(0, 16)
}

function headerOf({ id, keeper }: { readonly id: string; readonly keeper: string }, nonce: string): string {
  return JSON.stringify({ version, key: { id, keeper }, nonce })
}

function open(key: StorageKey, header: string, nonce: string, sealed: string): string | undefined {
  const iv = Buffer.from(nonce, 'base64url')
  const bytes = Buffer.from(sealed, 'base64url')
  // One spelling of everything: also what decodes alike was not written by us.
  const isOurs =
    iv.length === nonceBytes && iv.toString('base64url') === nonce && bytes.toString('base64url') === sealed
  if (!isOurs || bytes.length < tagBytes) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key.bytes, iv, { authTagLength: tagBytes })
  decipher.setAAD(Buffer.from(header))
  decipher.setAuthTag(bytes.subarray(-tagBytes))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(0, -tagBytes)), decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
}

function ofPlain(text: string, file: string): Content {
  const outer = parseJson(plainSchema, text)
  // JSON.parse and JSON.stringify keep the order of members, and the hubs' names are no array indexes.
  const written = outer.ok ? JSON.stringify(outer.value.content) : ''
  if (outer.ok && outer.value.sha256 === createHash('sha256').update(written).digest('hex')) {
    const content = parse(contentSchema, outer.value.content)
    if (content.ok && isWhole(content.value)) return content.value
  }
  throw damaged(file)
}

function isWhole({ seed, old_seeds: older }: Content): boolean {
  return [seed, ...older].every((text) => Buffer.from(text, 'base64url').length === seedBytes)
}

const places = {
  systemd: 'the credential `perdura-key` that systemd gives to a service ($CREDENTIALS_DIRECTORY)',
  keychain: 'the keychain of this user',
  file: '`credentials.key` of the home',
} as const

function keyless(
  file: string,
  { id, keeper }: { readonly id: string; readonly keeper: StorageKey['keeper'] },
  found: StorageKey | undefined,
): PerduraError {
  const remedy = {
    systemd: 'run this as that service, or with the same LoadCredentialEncrypted',
    keychain:
      'log in to the desktop so that it is unlocked, or restore it (and see that PERDURA_KEYCHAIN is not "off")',
    file: 'put the file back from a copy of the home that the credentials come from',
  }[keeper]
  const what = found === undefined ? 'is not there' : `is another one (${keyId(found)})`
  return new PerduraError(
    'ERR_CREDENTIALS_KEY',
    `${file} is sealed with key ${id}, which is kept in ${places[keeper]}, and the one there ${what}: ${remedy}. Nothing was changed`,
    { details: { file, keeper, key: id } },
  )
}

function damaged(file: string): PerduraError {
  return unusable(
    file,
    'is damaged, and is not replaced by itself, since it holds the key by which hubs know this agent: restore it from ' +
      'a copy, or remove it, and the agent has a new key, with which it needs another name at the hubs it was at',
  )
}

/** The file as it is cannot be worked with. */
export function unusable(file: string, what: string, cause?: unknown): PerduraError {
  return new PerduraError('ERR_CREDENTIALS_FILE', `${file} ${what}`, { cause, details: { file } })
}
