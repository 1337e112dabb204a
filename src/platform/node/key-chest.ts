import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { PerduraError } from '../../errors.ts'
import type { KeyChest, KeyKeeper } from '../key-chest.ts'
import type { Log } from '../log.ts'
import { findKeychain, type Keychain } from './keychain.ts'
import { createNodeLocks } from './locks.ts'

const keyBytes = 32
/** Of another process that puts one into the keychain, which takes three programs at most. */
const makeWaitMs = 15_000
/** By convention in the folder that systemd makes for one service; see systemd.exec(5), LoadCredentialEncrypted. */
const systemdName = 'perdura-key'

/** The storage key of a home: of systemd, the keychain or the file `credentials.key`; see `KeyChest`. */
export function createNodeKeyChest(
  home: string,
  log: Log,
  environment: NodeJS.ProcessEnv = process.env,
  platform: string = process.platform,
): KeyChest {
  const file = path.join(home, 'credentials.key')
  let looked: { readonly keychain: Keychain | undefined } | undefined
  // Asking costs a child process: only who needs it asks, and once.
  const keychain = (): Keychain | undefined =>
    (looked ??= { keychain: findKeychain(environment, platform) }).keychain

  let inKeychain: Uint8Array | undefined
  const findInKeychain = (): Uint8Array | undefined => (inKeychain ??= keychain()?.find(home))

  function ofKeychain(): Uint8Array | undefined {
    const known = findInKeychain()
    const chain = keychain()
    if (known !== undefined || chain === undefined) return known
    // To keep is to replace: of two processes at once, the second would put its key in the place of the one that the first has
    // sealed with already.
    fs.mkdirSync(home, { recursive: true, mode: 0o700 })
    const lock = createNodeLocks().lock(`${file}.lock`, makeWaitMs)
    try {
      const others = findInKeychain()
      if (others !== undefined) return others
      return chain.keep(home, randomBytes(keyBytes)) ? findInKeychain() : undefined
    } finally {
      lock.release()
    }
  }

  const finders: Record<KeyKeeper, () => Uint8Array | undefined> = {
    systemd: () => readSystemdKey(environment),
    keychain: findInKeychain,
    file: () => readKeyFile(file, log),
  }

  return {
    find(keeper) {
      const bytes = finders[keeper]()
      return bytes === undefined ? undefined : { keeper, bytes }
    },
    open() {
      const given = finders.systemd()
      if (given !== undefined) return { keeper: 'systemd', bytes: given }
      // A home keeps to its key file once it has one: what a desktop can read, a service of the same home must be able to.
      const kept = finders.file()
      if (kept !== undefined) return { keeper: 'file', bytes: kept }
      const own = ofKeychain()
      if (own !== undefined) return { keeper: 'keychain', bytes: own }
      return { keeper: 'file', bytes: makeKeyFile(file, log) }
    },
    protect: (target) => protect(target, log),
  }
}

function readSystemdKey(environment: NodeJS.ProcessEnv): Uint8Array | undefined {
  const folder = environment['CREDENTIALS_DIRECTORY'] ?? ''
  if (folder === '') return undefined
  const file = path.join(folder, systemdName)
  const content = read(file)
  if (content === undefined) return undefined
  if (content.length === keyBytes) return content
  const bytes = keyOf(content)
  if (bytes !== undefined) return bytes
  throw unusable(
    file,
    'must hold 32 random bytes, or 64 hexadecimal digits: make it anew, if nothing is sealed with it',
  )
}

function readKeyFile(file: string, log: Log): Uint8Array | undefined {
  const content = read(file)
  if (content === undefined) return undefined
  protect(file, log)
  const bytes = keyOf(content)
  if (bytes !== undefined) return bytes
  throw unusable(
    file,
    'is damaged, and is not replaced by itself, since everything in this home is sealed with it: restore it from a copy, or ' +
      'remove it, and restore the credentials of the agents, or give them new keys and names',
  )
}

/** Whole or not at all, and never over another: of two processes at once, both get the key of the first. */
function makeKeyFile(file: string, log: Log): Uint8Array {
  const folder = path.dirname(file)
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
  try {
    const handle = fs.openSync(temporary, 'wx', 0o600)
    try {
      fs.writeSync(handle, `${randomBytes(keyBytes).toString('hex')}\n`)
      fs.fsyncSync(handle)
    } finally {
      fs.closeSync(handle)
    }
    try {
      fs.linkSync(temporary, file)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  } finally {
    fs.rmSync(temporary, { force: true })
  }
  if (process.platform !== 'win32') {
    const handle = fs.openSync(folder, 'r')
    try {
      fs.fsyncSync(handle)
    } finally {
      fs.closeSync(handle)
    }
  }
  const bytes = readKeyFile(file, log)
  if (bytes === undefined) throw unusable(file, 'was removed just now: start again')
  return bytes
}

/** Whoever could read it until now may have: that is for the operator to know. */
function protect(file: string, log: Log): void {
  if (process.platform === 'win32') return
  const facts = fs.statSync(file, { throwIfNoEntry: false })
  if (facts === undefined || (facts.mode & 0o077) === 0) return
  const mode = (facts.mode & 0o777).toString(8).padStart(4, '0')
  try {
    fs.chmodSync(file, 0o600)
  } catch (cause) {
    throw unusable(
      file,
      `is open to others (mode ${mode}), and is not this user's to close: give it to this user`,
      cause,
    )
  }
  log.warn('credentials:mode:repaired', { file, mode })
}

function read(file: string): Buffer | undefined {
  try {
    return fs.readFileSync(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw unusable(
      file,
      `cannot be read (${code ?? 'for no stated reason'}): give this user the right to`,
      error,
    )
  }
}

function keyOf(content: Buffer): Uint8Array | undefined {
  const hex = content.toString('latin1').trim()
  return /^[0-9a-f]{64}$/i.test(hex) ? Buffer.from(hex, 'hex') : undefined
}

function unusable(file: string, what: string, cause?: unknown): PerduraError {
  return new PerduraError('ERR_CREDENTIALS_KEY', `${file} ${what}`, { cause, details: { file } })
}
