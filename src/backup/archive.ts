import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto'
import { dirname } from 'node:path'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { PerduraError } from '../errors.ts'
import type { Disk, DiskFile } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'
import { parseManifest, type BackupManifest } from './manifest.ts'

/*
 * A backup is one file (docs/reference/backup.md has the bytes): a magic word, the manifest as JSON with its SHA-256, the copy of
 * the database in pieces, each compressed by itself and, where there is a key, encrypted, and a SHA-256 over all of it. So one
 * pass writes it, one pass proves it, and neither holds more than a piece in memory.
 */

const magic = Buffer.from('PRDRBK1\n')
const pieceBytes = 262_144
const tagBytes = 16
/** More than a piece becomes by compression of what cannot be compressed. */
const storedBytesMax = pieceBytes + 4_096
const manifestBytesMax = 65_536
const lengthBytes = 4
const hashBytes = 32

const level = { params: { [constants.ZSTD_c_compressionLevel]: 3 } }

/** The secret that archives are encrypted with: the content of a key file. */
export type BackupKey = Uint8Array

export interface ArchiveWrite {
  readonly disk: Disk
  readonly random: Pick<Random, 'bytes'>
  /** A whole copy of the database, which nobody writes to. */
  readonly source: string
  /** Where the archive is to be; there may be one already, which is replaced when the new one is on disk. */
  readonly target: string
  readonly manifest: Omit<BackupManifest, 'format' | 'encryption'>
  readonly key: BackupKey | undefined
}

/** Writes an archive; yields between pieces of about a millisecond. */
export function* writeArchive(
  options: ArchiveWrite,
): Generator<void, { readonly sizeBytes: number; readonly manifest: BackupManifest }> {
  const { disk, random, source, target, key } = options
  const salt = random.bytes(hashBytes)
  const own = key && ownKey(key, salt)
  const manifest: BackupManifest = {
    format: 1,
    ...options.manifest,
    encryption: own && {
      cipher: 'aes-256-gcm',
      salt: Buffer.from(salt).toString('hex'),
      key_check: checkOf(own),
    },
  }
  const text = Buffer.from(JSON.stringify(manifest))
  if (text.length > manifestBytesMax)
    throw new RangeError(`a manifest of ${text.length} bytes: more hubs than a backup can name`)
  const manifestHash = sha256(text)
  const seal = own && sealer(own, manifestHash)
  const temporary = `${target}.tmp`
  disk.replaceFile(temporary, Buffer.alloc(0))
  const from = disk.open(source)
  const to = new HashedWriter(disk.open(temporary))
  let whole = false
  try {
    to.write(Buffer.concat([magic, lengthOf(text), text, manifestHash]))
    const room = Buffer.alloc(pieceBytes)
    const { sizeBytes } = from
    for (let at = 0, index = 0; at < sizeBytes; at += pieceBytes, index++) {
      const piece = from.read(at, Math.min(pieceBytes, sizeBytes - at), room)
      const compressed = zstdCompressSync(piece, level)
      const stored = seal?.(compressed, index, at + pieceBytes >= sizeBytes) ?? compressed
      to.write(Buffer.concat([lengthOf(stored), stored]))
      yield
    }
    to.write(Buffer.alloc(lengthBytes))
    to.finish()
    whole = true
  } finally {
    from.close()
    to.close()
    if (!whole && disk.exists(temporary)) disk.remove(temporary)
  }
  const sizeBytes = to.sizeBytes
  disk.rename(temporary, target)
  disk.syncFolder(dirname(target))
  return { sizeBytes, manifest }
}

export interface ArchiveRead {
  readonly disk: Disk
  readonly source: string
  readonly key: BackupKey | undefined
}

/** What an archive says that it holds. ERR_BACKUP_INVALID where its beginning is not that of an archive, or is damaged. */
export function readManifest(disk: Disk, source: string): BackupManifest {
  const file = disk.open(source)
  try {
    return new ArchiveReader(file, source).manifest
  } finally {
    file.close()
  }
}

/**
 * Checks every byte of an archive, and writes the database that it holds to `target` where that is given. Yields between
 * pieces of about a millisecond. ERR_BACKUP_INVALID where it is damaged or ends early, ERR_BACKUP_KEY where it takes another key;
 * nothing is at `target` then.
 */
export function* readArchive(
  options: ArchiveRead & { readonly target?: string },
): Generator<void, BackupManifest> {
  const { disk, source, target, key } = options
  const file = disk.open(source)
  let to: DiskFile | undefined
  let whole = false
  try {
    const reader = new ArchiveReader(file, source)
    const { manifest } = reader
    const pieces = reader.pieces(opener(reader, key, source))
    if (target !== undefined) disk.replaceFile(target, Buffer.alloc(0))
    to = target === undefined ? undefined : disk.open(target)
    const hash = createHash('sha256')
    let sizeBytes = 0
    for (const piece of pieces) {
      hash.update(piece)
      to?.write(sizeBytes, piece)
      sizeBytes += piece.length
      yield
    }
    if (sizeBytes !== manifest.size_bytes || hash.digest('hex') !== manifest.sha256)
      throw invalid(source, 'what it holds is not what it was made of')
    to?.sync()
    whole = true
    return manifest
  } finally {
    file.close()
    to?.close()
    if (!whole && target !== undefined && disk.exists(target)) disk.remove(target)
  }
}

/** What an archive ends with: a name of its content, that another content does not have. */
export function endOf(disk: Disk, source: string): string {
  const file = disk.open(source)
  try {
    return file.read(Math.max(0, file.sizeBytes - hashBytes), hashBytes).toString('hex')
  } finally {
    file.close()
  }
}

/** Walks through an archive; what it hands out has been checked as far as it can be before the end. */
class ArchiveReader {
  readonly manifest: BackupManifest
  readonly manifestHash: Buffer
  readonly #file: DiskFile
  readonly #source: string
  readonly #hash = createHash('sha256')
  #offset = 0

  constructor(file: DiskFile, source: string) {
    this.#file = file
    this.#source = source
    if (!this.#take(magic.length).equals(magic))
      throw invalid(source, 'it does not begin as a backup of Perdura does')
    const length = this.#take(lengthBytes).readUInt32LE()
    if (length > manifestBytesMax) throw invalid(source, 'its manifest is damaged')
    const text = this.#take(length)
    this.manifestHash = this.#take(hashBytes)
    if (!sha256(text).equals(this.manifestHash)) throw invalid(source, 'its manifest is damaged')
    this.manifest = parseManifest(text.toString(), source)
  }

  *pieces(open: (stored: Buffer, index: number, last: boolean) => Buffer): Generator<Buffer> {
    const count = Math.ceil(this.manifest.size_bytes / pieceBytes)
    for (let index = 0; index < count; index++) {
      const length = this.#take(lengthBytes).readUInt32LE()
      if (length === 0 || length > storedBytesMax) throw this.#damaged()
      const piece = this.#decompress(open(this.#take(length), index, index === count - 1))
      // Nothing may come out that is larger than what was announced.
      const expected = Math.min(pieceBytes, this.manifest.size_bytes - index * pieceBytes)
      if (piece.length !== expected) throw this.#damaged()
      yield piece
    }
    if (this.#take(lengthBytes).readUInt32LE() !== 0) throw this.#damaged()
    const expected = this.#hash.digest()
    const found = this.#file.read(this.#offset, hashBytes + 1)
    if (!found.equals(expected)) throw this.#damaged()
  }

  #decompress(compressed: Buffer): Buffer {
    try {
      return zstdDecompressSync(compressed, { maxOutputLength: pieceBytes })
    } catch (cause) {
      throw this.#damaged(cause)
    }
  }

  #take(length: number): Buffer {
    const bytes = this.#file.read(this.#offset, length)
    if (bytes.length < length) throw invalid(this.#source, 'it ends early')
    this.#offset += length
    this.#hash.update(bytes)
    return bytes
  }

  #damaged(cause?: unknown): PerduraError {
    return invalid(this.#source, `it is damaged before byte ${this.#offset}`, cause)
  }
}

/** Appends to a file, and ends it with the hash of all that it has. */
class HashedWriter {
  readonly #file: DiskFile
  readonly #hash = createHash('sha256')
  sizeBytes = 0

  constructor(file: DiskFile) {
    this.#file = file
  }

  write(bytes: Buffer): void {
    this.#file.write(this.sizeBytes, bytes)
    this.#hash.update(bytes)
    this.sizeBytes += bytes.length
  }

  /** Ends with the hash of everything before. */
  finish(): void {
    const digest = this.#hash.digest()
    this.#file.write(this.sizeBytes, digest)
    this.sizeBytes += digest.length
    this.#file.sync()
  }

  close(): void {
    this.#file.close()
  }
}

type Piecewise = (bytes: Buffer, index: number, last: boolean) => Buffer

/** Each archive has a key of its own, so that the number of a piece is a nonce. */
function sealer(own: Buffer, manifestHash: Buffer): Piecewise {
  return (bytes, index, last) => {
    const cipher = createCipheriv('aes-256-gcm', own, nonceOf(index), { authTagLength: tagBytes })
    cipher.setAAD(contextOf(manifestHash, last))
    return Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
  }
}

function opener(reader: ArchiveReader, key: BackupKey | undefined, source: string): Piecewise {
  const { encryption } = reader.manifest
  // Whoever can put another file in its place must not get by with one that anybody can make.
  if (encryption === undefined && key !== undefined) {
    throw new PerduraError(
      'ERR_BACKUP_KEY',
      `${source} is not encrypted, so anybody can have made it: if you expect that, leave --key-file out`,
      { details: { file: source } },
    )
  }
  if (encryption === undefined) return (bytes) => bytes
  if (key === undefined) throw keyError(source, 'is encrypted, and no key was given')
  const own = ownKey(key, Buffer.from(encryption.salt, 'hex'))
  if (checkOf(own) !== encryption.key_check) throw keyError(source, 'is encrypted with another key')
  return (bytes, index, last) => {
    if (bytes.length <= tagBytes) throw invalid(source, `piece ${index} is damaged`)
    const decipher = createDecipheriv('aes-256-gcm', own, nonceOf(index), { authTagLength: tagBytes })
    decipher.setAAD(contextOf(reader.manifestHash, last))
    decipher.setAuthTag(bytes.subarray(-tagBytes))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(0, -tagBytes)), decipher.final()])
    } catch (cause) {
      throw invalid(source, `piece ${index} is damaged`, cause)
    }
  }
}

function ownKey(key: BackupKey, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, 'perdura backup', 32))
}

/** Tells a wrong key from damage, and nothing of the key. */
function checkOf(own: Buffer): string {
  return createHash('sha256').update('perdura backup key').update(own).digest('hex').slice(0, 16)
}

function nonceOf(index: number): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32LE(index, 8)
  return nonce
}

function contextOf(manifestHash: Buffer, last: boolean): Buffer {
  return Buffer.concat([manifestHash, Buffer.from([last ? 1 : 0])])
}

function lengthOf(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(lengthBytes)
  length.writeUInt32LE(bytes.length)
  return length
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

function invalid(source: string, what: string, cause?: unknown): PerduraError {
  return new PerduraError(
    'ERR_BACKUP_INVALID',
    `${source} is not a whole backup: ${what}. Take another one (perdura backup list); this file was not changed`,
    { cause, details: { file: source } },
  )
}

function keyError(source: string, what: string): PerduraError {
  return new PerduraError(
    'ERR_BACKUP_KEY',
    `${source} ${what}: name the file that holds its key with --key-file`,
    { details: { file: source } },
  )
}
