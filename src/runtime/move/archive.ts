import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  scryptSync,
  timingSafeEqual,
  type CipherGCM,
  type DecipherGCM,
} from 'node:crypto'
import { dirname } from 'node:path'
import * as v from 'valibot'
import { type ErrorCode, PerduraError } from '../../errors.ts'
import type { Disk, DiskFile } from '../../platform/disk.ts'
import type { Random } from '../../platform/random.ts'
import { parse, parseJson } from '../../protocol/parse.ts'

/*
 * One file that holds an agent:
 *
 *   header    one line of JSON: version, what the payload is sealed with, and how long it is
 *   payload   manifest and files, one after the other; with a passphrase as AES-256-GCM under a key of scrypt
 *   tag       16 bytes, with a passphrase only: of the payload, and of the header as additional data
 *   digest    32 bytes, SHA-256 of everything before it
 *
 * The payload is the length of the manifest (4 bytes, big-endian), the manifest, and the files in its order. The digest
 * tells a damaged file from one that was changed on purpose; only a passphrase keeps anybody from doing that.
 */

/** Bytes that every export begins with. */
const magic = '{"perdura_export":'
const version = 1
const headerBytesMax = 4_096
const manifestBytesMax = 1024 * 1024
const pieceBytes = 1024 * 1024
const digestBytes = 32
const tagBytes = 16
/** NIST SP 800-38D has GCM seal at most 2^39 - 256 bits; far below it a file is no agent any more. */
const payloadBytesMax = 64 * 1024 ** 3 - 1_024

/** scrypt with 128 MiB: about a third of a second for whoever knows the passphrase, and for each guess. */
const defaultCost = 2 ** 17
const costMax = 2 ** 20
const blockSize = 8

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const hex = (bytes: number): v.GenericSchema<string> =>
  v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`)))

const headerSchema = v.object({
  perdura_export: v.literal(version),
  payload_bytes: v.pipe(count, v.maxValue(payloadBytesMax)),
  sealed: v.nullable(
    v.object({
      kdf: v.literal('scrypt'),
      cost: v.pipe(
        count,
        v.minValue(2),
        v.maxValue(costMax),
        v.check((cost) => Number.isInteger(Math.log2(cost)), 'must be a power of two'),
      ),
      block_size: v.literal(blockSize),
      salt: hex(16),
      cipher: v.literal('aes-256-gcm'),
      nonce: hex(12),
      /** Tells a wrong passphrase from a file that was changed. */
      check: hex(16),
    }),
  ),
})
type Header = v.InferOutput<typeof headerSchema>

export interface ArchivedFile {
  readonly name: string
  readonly sizeBytes: number
  readonly sha256: string
}

/** A file to be put into an archive. */
export interface Source extends ArchivedFile {
  /** Its content, in pieces. */
  readonly pieces: () => Iterable<Uint8Array>
}

const manifestSchema = v.object({
  files: v.array(v.object({ name: v.string(), size_bytes: count, sha256: hex(32) })),
  about: v.record(v.string(), v.unknown()),
})

export interface Manifest {
  readonly files: readonly ArchivedFile[]
  /** Whatever its writer had to say about it. */
  readonly about: Readonly<Record<string, unknown>>
}

/** Writes an archive to a new file at `path`; it is on disk when this returns. */
export function writeArchive(
  { disk, random }: { readonly disk: Disk; readonly random: Random },
  path: string,
  content: {
    readonly about: Readonly<Record<string, unknown>>
    readonly sources: readonly Source[]
    readonly passphrase: string | undefined
    readonly cost?: number
  },
): void {
  const { about, sources, passphrase, cost = defaultCost } = content
  const files = sources.map(({ name, sizeBytes, sha256 }) => ({ name, size_bytes: sizeBytes, sha256 }))
  const manifest = Buffer.from(JSON.stringify({ files, about }))
  const payloadBytes = files.reduce((sum, { size_bytes: bytes }) => sum + bytes, 4 + manifest.length)
  const seal = passphrase === undefined ? undefined : sealOf(random, passphrase, cost)
  const fields: Header = {
    perdura_export: version,
    payload_bytes: payloadBytes,
    sealed: seal?.fields ?? null,
  }
  const header = Buffer.from(`${JSON.stringify(fields)}\n`)
  const cipher = seal?.cipher(header)
  disk.prepareZerosNow(
    path,
    header.length + payloadBytes + (cipher === undefined ? 0 : tagBytes) + digestBytes,
  )
  const file = disk.open(path)
  try {
    const out = new Writer(file)
    out.write(header)
    const payload = (piece: Uint8Array): void => out.write(cipher?.update(piece) ?? piece)
    payload(lengthOf(manifest))
    payload(manifest)
    for (const source of sources) for (const piece of source.pieces()) payload(piece)
    if (cipher !== undefined) {
      out.write(cipher.final())
      out.write(cipher.getAuthTag())
    }
    out.end()
    file.sync()
  } finally {
    file.close()
  }
  disk.syncFolder(dirname(path))
}

export interface ArchiveSink {
  /** The next piece of the file; each comes whole, one after the other. */
  piece(name: string, bytes: Uint8Array): void
}

/**
 * Reads an archive through to its end, and returns its manifest only if all of it is what was written. Rejects with
 * ERR_EXPORT_INVALID (no export, cut off, damaged, changed), ERR_EXPORT_NEWER or ERR_EXPORT_PASSPHRASE. What the sink is
 * given before that may be anything.
 */
export function readArchive(
  disk: Disk,
  path: string,
  passphrase: string | undefined,
  sink?: ArchiveSink,
): Manifest {
  const file = open(disk, path)
  try {
    const { header, line } = headerOf(file, path)
    const expected =
      line.length + header.payload_bytes + (header.sealed === null ? 0 : tagBytes) + digestBytes
    if (file.sizeBytes < expected) throw invalid(path, 'is cut off')
    if (file.sizeBytes > expected) throw invalid(path, 'has something behind its end')
    const decipher = decipherOf(path, header, passphrase)
    decipher?.setAAD(line)
    const digest = createHash('sha256').update(line)
    const contents = new Contents(path, sink)
    const end = line.length + header.payload_bytes
    for (let at = line.length; at < end; at += pieceBytes) {
      const piece = file.read(at, Math.min(pieceBytes, end - at))
      digest.update(piece)
      contents.take(decipher?.update(piece) ?? piece)
    }
    const tag = file.read(end, expected - digestBytes - end)
    digest.update(tag)
    if (!digest.digest().equals(file.read(expected - digestBytes, digestBytes)))
      throw invalid(path, 'is damaged')
    if (decipher !== undefined) {
      decipher.setAuthTag(tag)
      authenticate(path, decipher)
    }
    return contents.end()
  } finally {
    file.close()
  }
}

/** Writes in order, and the digest at the end. */
class Writer {
  readonly #file: DiskFile
  readonly #digest = createHash('sha256')
  #at = 0

  constructor(file: DiskFile) {
    this.#file = file
  }

  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#file.write(this.#at, bytes)
    this.#digest.update(bytes)
    this.#at += bytes.length
  }

  end(): void {
    this.#file.write(this.#at, this.#digest.digest())
  }
}

/** Takes the payload apart as it comes. */
class Contents {
  readonly #path: string
  readonly #sink: ArchiveSink | undefined
  #head = Buffer.alloc(0)
  #manifest: Manifest | undefined
  #index = 0
  #taken = 0
  #digest = createHash('sha256')

  constructor(path: string, sink: ArchiveSink | undefined) {
    this.#path = path
    this.#sink = sink
  }

  take(piece: Uint8Array): void {
    let rest = this.#manifest === undefined ? this.#takeHead(piece) : piece
    while (rest.length > 0) {
      const file = this.#manifest?.files[this.#index]
      if (file === undefined) throw invalid(this.#path, 'holds more than its manifest says')
      const part = rest.subarray(0, file.sizeBytes - this.#taken)
      this.#digest.update(part)
      this.#sink?.piece(file.name, part)
      this.#taken += part.length
      rest = rest.subarray(part.length)
      this.#endFiles()
    }
  }

  end(): Manifest {
    const manifest = this.#manifest
    if (manifest === undefined || this.#index < manifest.files.length) {
      throw invalid(this.#path, 'holds less than its manifest says')
    }
    return manifest
  }

  /** What is behind the manifest, once that is complete. */
  #takeHead(piece: Uint8Array): Uint8Array {
    this.#head = Buffer.concat([this.#head, piece])
    if (this.#head.length < 4) return Buffer.alloc(0)
    const bytes = this.#head.readUInt32BE(0)
    if (bytes > manifestBytesMax) throw invalid(this.#path, 'has no manifest')
    if (this.#head.length < 4 + bytes) return Buffer.alloc(0)
    const parsed = parseJson(manifestSchema, this.#head.subarray(4, 4 + bytes).toString('utf8'))
    if (!parsed.ok) throw invalid(this.#path, 'has no manifest')
    const { about, files } = parsed.value
    this.#manifest = {
      about,
      files: files.map(({ name, size_bytes: sizeBytes, sha256 }) => ({ name, sizeBytes, sha256 })),
    }
    this.#endFiles()
    const rest = this.#head.subarray(4 + bytes)
    this.#head = Buffer.alloc(0)
    return rest
  }

  /** Passes over every file that is complete, an empty one at once. */
  #endFiles(): void {
    for (;;) {
      const file = this.#manifest?.files[this.#index]
      if (file === undefined || this.#taken < file.sizeBytes) return
      if (this.#digest.digest('hex') !== file.sha256)
        throw invalid(this.#path, `holds a damaged ${file.name}`)
      this.#digest = createHash('sha256')
      this.#taken = 0
      this.#index += 1
    }
  }
}

function open(disk: Disk, path: string): DiskFile {
  try {
    return disk.open(path)
  } catch (cause) {
    const code = (cause as { readonly code?: unknown }).code
    if (typeof code !== 'string') throw cause
    throw invalid(path, code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`, cause)
  }
}

function headerOf(file: DiskFile, path: string): { readonly header: Header; readonly line: Buffer } {
  const start = file.read(0, Math.min(headerBytesMax, file.sizeBytes))
  if (!start.toString('latin1').startsWith(magic)) {
    throw invalid(
      path,
      magic.startsWith(start.toString('latin1')) ? 'is cut off' : 'is no export of an agent',
    )
  }
  const end = start.indexOf('\n')
  if (end === -1) throw invalid(path, file.sizeBytes < headerBytesMax ? 'is cut off' : 'is damaged')
  const line = start.subarray(0, end + 1)
  const found = parseJson(v.object({ perdura_export: count }), line.toString('utf8'))
  if (found.ok && found.value.perdura_export > version) {
    throw new PerduraError(
      'ERR_EXPORT_NEWER',
      `${path} was written by a newer Perdura: import it with that version or a later one; nothing was changed`,
      { details: { file: path, version: found.value.perdura_export } },
    )
  }
  const header = found.ok ? parse(headerSchema, JSON.parse(line.toString('utf8'))) : found
  if (!header.ok) throw invalid(path, 'is damaged')
  return { header: header.value, line }
}

interface Seal {
  readonly fields: NonNullable<Header['sealed']>
  readonly cipher: (header: Uint8Array) => CipherGCM
}

function sealOf(random: Random, passphrase: string, cost: number): Seal {
  const salt = random.bytes(16)
  const nonce = random.bytes(12)
  const { key, check } = keysOf(passphrase, salt, cost)
  return {
    fields: {
      kdf: 'scrypt',
      cost,
      block_size: blockSize,
      salt: Buffer.from(salt).toString('hex'),
      cipher: 'aes-256-gcm',
      nonce: Buffer.from(nonce).toString('hex'),
      check: check.toString('hex'),
    },
    cipher(header) {
      const cipher = createCipheriv('aes-256-gcm', key, nonce)
      cipher.setAAD(header)
      return cipher
    },
  }
}

/** Undefined where it is not sealed, and nobody expects it to be. */
function decipherOf(
  path: string,
  { sealed }: Header,
  passphrase: string | undefined,
): DecipherGCM | undefined {
  if (sealed === null && passphrase === undefined) return undefined
  const refusal = (what: string): PerduraError => refused('ERR_EXPORT_PASSPHRASE', path, what)
  // Whoever can put another file in its place must not get by with one that anybody can make.
  if (sealed === null)
    throw refusal(
      'is not sealed, so anybody can have made it: if you expect that, leave --passphrase-file out',
    )
  if (passphrase === undefined) {
    throw refusal('is sealed with a passphrase: give the file that holds it with --passphrase-file')
  }
  const { key, check } = keysOf(passphrase, Buffer.from(sealed.salt, 'hex'), sealed.cost)
  if (!timingSafeEqual(check, Buffer.from(sealed.check, 'hex'))) {
    throw refusal('is sealed with another passphrase than this one')
  }
  return createDecipheriv('aes-256-gcm', key, Buffer.from(sealed.nonce, 'hex'))
}

/** From one derivation: what seals, and what tells that the passphrase is the right one. */
function keysOf(
  passphrase: string,
  salt: Uint8Array,
  cost: number,
): { readonly key: Buffer; readonly check: Buffer } {
  const maxmem = 2 * 128 * cost * blockSize
  const derived = scryptSync(passphrase.normalize('NFC'), salt, 64, { N: cost, r: blockSize, p: 1, maxmem })
  const check = createHmac('sha256', derived.subarray(32)).update('perdura export').digest()
  return { key: derived.subarray(0, 32), check: check.subarray(0, 16) }
}

function authenticate(path: string, decipher: DecipherGCM): void {
  try {
    decipher.final()
  } catch (cause) {
    throw invalid(path, 'was changed after it was written', cause)
  }
}

function lengthOf(manifest: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(manifest.length)
  return length
}

function invalid(path: string, what: string, cause?: unknown): PerduraError {
  return refused('ERR_EXPORT_INVALID', path, what, cause)
}

function refused(code: ErrorCode, path: string, what: string, cause?: unknown): PerduraError {
  return new PerduraError(code, `${path} ${what}; nothing was changed`, { cause, details: { file: path } })
}
