import { isAbsolute, join, resolve } from 'node:path'
import type { BackupKey } from '../backup/archive.ts'
import { isBackupName, listBackups, proveBackup, type Backup, type Proof } from '../backup/backups.ts'
import { takeBackup, type BackupParts, type TakeOptions } from '../backup/take.ts'
import { PerduraError, toError } from '../errors.ts'
import { createNodePlatform } from '../platform/node/platform.ts'
import { tryLockFile } from '../platform/node/sqlite-file.ts'
import { unwritable } from '../platform/unwritable.ts'
import type { AgentPaths } from '../runtime/home.ts'
import { createDatabaseFiles } from '../store/sqlite/files.ts'
import type { Call } from './call.ts'
import { ownVersion } from './version.ts'

const keyLengthMin = 32
const keyBytesMax = 65_536
const lockWaitMs = 10_000

/** The key in the file that `--key-file` names; undefined without the option. */
export function readKey(call: Call): BackupKey | undefined {
  const path = call.text('key-file')
  if (path === undefined) return undefined
  let bytes: Uint8Array | undefined
  try {
    bytes = call.disk.readFile(resolve(path))
  } catch (cause) {
    throw new PerduraError('ERR_USAGE', `cannot read a key from ${path}: ${toError(cause).message}`, {
      cause,
    })
  }
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

/** What works on the backups of an agent; held while nothing else does. What a command before left half done goes. */
export function openBackups(call: Call, { folder, backups }: AgentPaths): BackupParts & { release(): void } {
  const { disk, clock, random } = createNodePlatform()
  try {
    disk.makeFolder(backups)
    const lock = tryLockFile(join(backups, 'lock.db'), call.durationMs('timeout', lockWaitMs))
    if (lock === undefined) {
      throw new PerduraError(
        'ERR_BACKUPS_BUSY',
        `another command works on the backups in ${backups}: wait for its end, or longer with --timeout`,
      )
    }
    for (const name of disk.list(backups)) if (name.endsWith('.tmp')) disk.remove(join(backups, name))
    const files = createDatabaseFiles(folder)
    return { disk, clock, random, files, folder: backups, release: () => lock.release() }
  } catch (cause) {
    throw unwritable(backups, cause)
  }
}

export function isPath(meant: string): boolean {
  return meant.includes('/') || isAbsolute(meant)
}

/** The backup that is meant: its name, a part that it begins with, `newest`, or the path of a file. */
export function findBackup(
  call: Call,
  paths: AgentPaths | undefined,
  meant: string,
): { readonly path: string } {
  if (paths === undefined || isPath(meant)) {
    const path = resolve(meant)
    if (call.disk.exists(path)) return { path }
    throw new PerduraError('ERR_NO_SUCH_BACKUP', `there is no file ${path}`)
  }
  const folder = paths.backups
  // Also one whose beginning is damaged: what is wrong with it is said when it is opened.
  if (isBackupName(meant) && call.disk.exists(join(folder, meant))) return { path: join(folder, meant) }
  const { backups } = listBackups(call.disk, folder)
  // What a restore has kept is the way back from it, and not what somebody means who asks for the newest twice.
  const found =
    meant === 'newest'
      ? backups.filter(({ manifest }) => manifest.reason !== 'restore').slice(0, 1)
      : backups.filter(({ name }) => name.startsWith(meant))
  const [only] = found
  if (only !== undefined && found.length === 1) return { path: join(folder, only.name) }
  const known = backups.slice(0, 5).map(({ name }) => name)
  const hint =
    known.length === 0
      ? `there is none yet; take one with: ${call.hint(`perdura backup create ${call.argument(0)}`)}`
      : `there are ${known.join(', ')}${backups.length > known.length ? ' and older ones' : ''}`
  throw new PerduraError(
    'ERR_NO_SUCH_BACKUP',
    found.length > 1
      ? `${found.length} backups begin with "${meant}": write more of it`
      : `no backup is called "${meant}": ${hint}`,
  )
}

/** ERR_USAGE where the newest backup is encrypted and the next one would not be: the option was forgotten, mostly. */
export function refusePlain(call: Call, { backups: folder }: AgentPaths, key: BackupKey | undefined): void {
  if (key !== undefined || call.flag('unencrypted')) return
  const [newest] = listBackups(call.disk, folder).backups
  if (newest?.manifest.encryption === undefined) return
  throw new PerduraError(
    'ERR_USAGE',
    `the newest backup is encrypted, and this one would not be: name the key with --key-file, or say --unencrypted`,
  )
}

/** As the hints repeat it. */
export function keyHint(call: Call): string {
  const path = call.text('key-file')
  return path === undefined ? '' : ` --key-file ${path}`
}

/** Takes a backup, and proves it. One that cannot be proved is no backup, and stays for whoever looks into it. */
export async function takeProven(
  parts: BackupParts,
  { reason, key, stopped }: Pick<TakeOptions, 'reason' | 'key'> & { readonly stopped: string | undefined },
): Promise<Backup> {
  const software = { perdura: ownVersion(), node: process.versions.node }
  try {
    const taken = await takeBackup(parts, {
      reason,
      key,
      software,
      ...(stopped !== undefined && { stopped }),
    })
    return { ...taken, proof: await proveIn(parts, join(parts.folder, taken.name), key) }
  } catch (cause) {
    throw isSystemError(cause) ? unwritable(parts.folder, cause) : cause
  }
}

export function proveIn(parts: BackupParts, path: string, key: BackupKey | undefined): Promise<Proof> {
  return proveBackup({ ...parts, path, key, scratch: join(parts.folder, 'proof.tmp') })
}

function isSystemError(thrown: unknown): boolean {
  return typeof (thrown as { readonly syscall?: unknown }).syscall === 'string'
}

/** One backup as the JSON of the verbs has it. */
export function backupDocument({ name, sizeBytes, manifest, proof }: Backup): object {
  const { encryption, ...facts } = manifest
  return { name, file_bytes: sizeBytes, encrypted: encryption !== undefined, proof: proof ?? null, ...facts }
}
