import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Secrets by the home that they are for, in the keychain of the person who is logged in to the machine. */
export interface Keychain {
  /** Undefined where there is none, or where it would have to be asked for by a prompt. */
  find(home: string): Uint8Array | undefined
  /** False where it cannot be kept there. */
  keep(home: string, secret: Uint8Array): boolean
}

/** Programs that do not answer within that are waiting for somebody to type a password. */
const patienceMs = 3_000
const service = 'perdura'

/**
 * The keychain of this platform, if it has one that is open; found out without a prompt. Secrets go to its program over
 * standard input, never as arguments, which everybody on the machine can read.
 */
export function findKeychain(
  environment: NodeJS.ProcessEnv,
  platform: string,
  security = '/usr/bin/security',
): Keychain | undefined {
  if (environment['PERDURA_KEYCHAIN'] === 'off') return undefined
  if (platform === 'darwin') return existsSync(security) ? macKeychain(security) : undefined
  if (platform === 'linux' && isSecretServiceOpen(environment)) return secretService()
  return undefined
}

function macKeychain(program: string): Keychain {
  return {
    find: (home) => secretOf(run(program, ['find-generic-password', '-s', service, '-a', home, '-w'])),
    keep(home, secret) {
      if (/["\\\n]/.test(home)) return false
      const words = ['add-generic-password', '-U', '-s', service, '-a', `"${home}"`, '-w', hexOf(secret)]
      // `-i` reads commands from standard input.
      return run(program, ['-i'], `${words.join(' ')}\n`) !== undefined && this.find(home) !== undefined
    },
  }
}

function secretService(): Keychain {
  const attributes = (home: string): string[] => ['service', service, 'home', home]
  return {
    find: (home) => secretOf(run('secret-tool', ['lookup', ...attributes(home)])),
    keep(home, secret) {
      const words = ['store', '--label=Perdura storage key', ...attributes(home)]
      return run('secret-tool', words, hexOf(secret)) !== undefined && this.find(home) !== undefined
    },
  }
}

/**
 * Whether a secret service runs and its default collection is unlocked. Asked of the bus without starting anything:
 * `secret-tool` itself would have somebody asked for a password, and would wait for ever where nobody is there.
 */
function isSecretServiceOpen(environment: NodeJS.ProcessEnv): boolean {
  if ((environment['DBUS_SESSION_BUS_ADDRESS'] ?? '') === '') return false
  const answer = run('busctl', [
    '--user',
    '--auto-start=no',
    '--timeout=2',
    'get-property',
    'org.freedesktop.secrets',
    '/org/freedesktop/secrets/aliases/default',
    'org.freedesktop.Secret.Collection',
    'Locked',
  ])
  return answer?.trim() === 'b false'
}

/** What the program says; undefined where it is not there, fails, or does not end. */
function run(program: string, words: readonly string[], input = ''): string | undefined {
  const { status, stdout } = spawnSync(program, words, {
    input,
    encoding: 'utf8',
    timeout: patienceMs,
    killSignal: 'SIGKILL',
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  return status === 0 ? stdout : undefined
}

function secretOf(text: string | undefined): Uint8Array | undefined {
  const hex = text?.trim() ?? ''
  return /^[0-9a-f]{64}$/.test(hex) ? Buffer.from(hex, 'hex') : undefined
}

function hexOf(secret: Uint8Array): string {
  return Buffer.from(secret).toString('hex')
}
