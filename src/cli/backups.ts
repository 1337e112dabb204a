import { isAbsolute, join, resolve } from 'node:path'
import type { BackupKey } from '../backup/archive.ts'
import { listBackups, proveBackup, type Backup, type Proof } from '../backup/backups.ts'
import type { BackupReason } from '../backup/manifest.ts'
import { takeBackup, type BackupParts } from '../backup/take.ts'
import { PerduraError } from '../errors.ts'
import { createNodePlatform } from '../platform/node/platform.ts'
import { lockFile } from '../platform/node/sqlite-file.ts'
import type { AgentPaths } from '../runtime/home.ts'
import { createDatabaseFiles } from '../store/sqlite/files.ts'
import type { Call } from './call.ts'
import { ownVersion } from './version.ts'

const keyLengthMin = 32
const keyBytesMax = 65_536

/** The key in the file that `--key-file` names; undefined without the option. */
export function readKey(call: Call): BackupKey | undefined {
  const path = call.text('key-file')
  if (path === undefined) return undefined
  const bytes = call.disk.readFile(resolve(path))
  if (bytes === undefined) {
    throw new PerduraError(
      'ERR_USAGE',
      `there is no file ${path} to read the key from: make one with  openssl rand -base64 32 > ${path}`,
    )
  }
  // Editors and `echo` end a file with a new line, and nobody means that by the key.
  const key = Buffer.from(
    Buffer.from(bytes)
      .toString('latin1')
      .replace(/\r?\n$/, ''),
    'latin1',
  )
  if (key.length >= keyLengthMin && key.length <= keyBytesMax) return key
  throw new PerduraError(
    'ERR_USAGE',
    `${path} has ${key.length} bytes; a key has ${keyLengthMin} to ${keyBytesMax}: make one with  openssl rand -base64 32`,
  )
}

/** What works on the backups of an agent; held while nothing else does. */
export function openBackups(call: Call, { folder, backups }: AgentPaths): BackupParts & { release(): void } {
  const { disk, clock, random } = createNodePlatform()
  disk.makeFolder(backups)
  const lock = lockFile(join(backups, 'lock.db'), 'its backups')
  return {
    disk,
    clock,
    random,
    files: createDatabaseFiles(folder),
    folder: backups,
    release: () => lock.release(),
  }
}

/** The backup that is meant: its name, a part that it begins with, `newest`, or the path of a file. */
export function findBackup(
  call: Call,
  { backups: folder }: AgentPaths,
  meant: string,
): { readonly path: string } {
  if (meant.includes('/') || isAbsolute(meant)) {
    const path = resolve(meant)
    if (call.disk.exists(path)) return { path }
    throw new PerduraError('ERR_NO_SUCH_BACKUP', `there is no file ${path}`)
  }
  const { backups } = listBackups(call.disk, folder)
  const found =
    meant === 'newest' ? backups.slice(0, 1) : backups.filter(({ name }) => name.startsWith(meant))
  const [only] = found
  if (only !== undefined && found.length === 1) return { path: join(folder, only.name) }
  const known = backups.slice(0, 5).map(({ name }) => name)
  const hint =
    known.length === 0
      ? `there is none yet; take one with: ${call.hint('perdura backup create <agent>')}`
      : `there are ${known.join(', ')}${backups.length > known.length ? ' and older ones' : ''}`
  throw new PerduraError(
    'ERR_NO_SUCH_BACKUP',
    found.length > 1
      ? `${found.length} backups begin with "${meant}": write more of it`
      : `no backup is called "${meant}": ${hint}`,
  )
}

/** Takes a backup, and proves it. One that cannot be proved is no backup, and stays for whoever looks into it. */
export async function takeProven(
  parts: BackupParts,
  reason: BackupReason,
  key: BackupKey | undefined,
): Promise<Backup> {
  const software = { perdura: ownVersion(), node: process.versions.node }
  const taken = await takeBackup(parts, { reason, key, software })
  return { ...taken, proof: await proveIn(parts, join(parts.folder, taken.name), key) }
}

export function proveIn(parts: BackupParts, path: string, key: BackupKey | undefined): Promise<Proof> {
  return proveBackup({ ...parts, path, key, scratch: join(parts.folder, 'proof.tmp') })
}

/** One backup as the JSON of the verbs has it. */
export function backupDocument({ name, sizeBytes, manifest, proof }: Backup): object {
  const { encryption, ...facts } = manifest
  return { name, size: sizeBytes, encrypted: encryption !== undefined, proof: proof ?? null, ...facts }
}
