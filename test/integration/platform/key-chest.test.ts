import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openCredentialFile } from '../../../src/credentials/credential-file.ts'
import type { LogFields } from '../../../src/platform/log.ts'
import { createNodeDisk } from '../../../src/platform/node/disk.ts'
import { createNodeKeyChest } from '../../../src/platform/node/key-chest.ts'
import { findKeychain } from '../../../src/platform/node/keychain.ts'
import { createNodeLocks } from '../../../src/platform/node/locks.ts'
import { createSeededRandom } from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'
import { code } from '../../helpers/store-folder.ts'

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'perdura-chest-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

function begin(t: TestContext, environment: NodeJS.ProcessEnv = { PERDURA_KEYCHAIN: 'off' }) {
  const home = join(temporaryFolder(t), 'home')
  const logged: LogFields[] = []
  const log = createSimulatedLog(new Trace(), (event, fields) => logged.push({ event, ...fields }))
  const open = (more: NodeJS.ProcessEnv = {}) =>
    createNodeKeyChest(home, log, { ...environment, ...more }, 'linux')
  return { home, logged, log, open, file: join(home, 'credentials.key') }
}

test('a home gets one key file, which only its user may read', (t) => {
  const { file, open } = begin(t)
  assert.equal(open().find('file'), undefined)
  assert.equal(existsSync(file), false, 'looking makes none')
  const key = open().open()
  assert.equal(key.keeper, 'file')
  assert.equal(key.bytes.length, 32)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.deepEqual(open().open(), key)
  assert.deepEqual(open().find('file'), key)
})

test('a key file that others may read is closed to them, and that is said', (t) => {
  const { file, logged, open } = begin(t)
  open().open()
  chmodSync(file, 0o644)
  open().find('file')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.deepEqual(logged, [{ event: 'credentials:mode:repaired', file, mode: '0644' }])
})

test('a damaged key file is refused, and not replaced', (t) => {
  const { file, open } = begin(t)
  open().open()
  writeFileSync(file, 'no key')
  assert.throws(() => open().open(), code('ERR_CREDENTIALS_KEY', /is damaged, and is not replaced by itself/))
  assert.equal(readFileSync(file, 'utf8'), 'no key')
})

test('a credential of systemd comes first, as bytes or as digits', (t) => {
  const { home, open } = begin(t)
  mkdirSync(home)
  open().open()
  const folder = join(home, 'given')
  mkdirSync(folder)
  const given = open({ CREDENTIALS_DIRECTORY: folder })
  assert.equal(given.open().keeper, 'file', 'there is none of that name')
  const bytes = Buffer.alloc(32, 7)
  for (const content of [bytes, `${bytes.toString('hex')}\n`]) {
    writeFileSync(join(folder, 'perdura-key'), content)
    const key = given.open()
    assert.equal(key.keeper, 'systemd')
    assert.deepEqual(Buffer.from(key.bytes), bytes)
  }
  writeFileSync(join(folder, 'perdura-key'), 'too short')
  assert.throws(() => given.open(), code('ERR_CREDENTIALS_KEY', /must hold 32 random bytes/))
})

test('a file of credentials is closed to others, in whatever mode it was found', (t) => {
  const { home, logged, log, open } = begin(t)
  const path = join(home, 'agents', 'Ada', 'credentials')
  const parts = () => ({
    disk: createNodeDisk(),
    locks: createNodeLocks(),
    random: createSeededRandom(1),
    chest: createNodeKeyChest(home, log, { PERDURA_KEYCHAIN: 'off' }, 'linux'),
    path,
  })
  const { publicKey } = openCredentialFile(parts())
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(statSync(join(home, 'agents', 'Ada')).mode & 0o777, 0o700)
  chmodSync(path, 0o664)
  assert.equal(openCredentialFile(parts()).publicKey, publicKey)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(logged.length, 1)
  open()
})

/** A program that keeps one secret in a file, as `security` and `secret-tool` do in a keychain. */
function fakeKeychain(folder: string, name: string): { program: string; calls: () => string } {
  const program = join(folder, name)
  const script = `#!/bin/sh
echo "$*" >> "${folder}/calls"
case "$1" in
  find-generic-password|lookup) [ -s "${folder}/secret" ] && cat "${folder}/secret" ;;
  -i) read line; echo "$line" | sed 's/.* -w //' > "${folder}/secret" ;;
  store) cat > "${folder}/secret" ;;
esac
`
  writeFileSync(program, script, { mode: 0o755 })
  return { program, calls: () => readFileSync(join(folder, 'calls'), 'utf8') }
}

test('the keychain of macOS keeps a key, which is in no argument', (t) => {
  const folder = temporaryFolder(t)
  const { program, calls } = fakeKeychain(folder, 'security')
  assert.equal(findKeychain({}, 'darwin', join(folder, 'none')), undefined)
  const keychain = findKeychain({}, 'darwin', program)
  assert.ok(keychain)
  const secret = Buffer.alloc(32, 0xab)
  assert.equal(keychain.find('/home'), undefined)
  assert.equal(keychain.keep('/home', secret), true)
  assert.deepEqual(Buffer.from(keychain.find('/home') ?? []), secret)
  assert.ok(!calls().includes(secret.toString('hex')))
  assert.equal(keychain.keep('/a "home"', secret), false)
})

test('the secret service of Linux keeps a key, where it runs and is unlocked, and nothing waits for a password', (t) => {
  const folder = temporaryFolder(t)
  const { calls } = fakeKeychain(folder, 'secret-tool')
  const before = process.env['PATH']
  t.after(() => (process.env['PATH'] = before))
  process.env['PATH'] = `${folder}:${before ?? ''}`
  const bus = { DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nowhere' }
  const busctl = (answer: string): void =>
    writeFileSync(join(folder, 'busctl'), `#!/bin/sh\n${answer}\n`, { mode: 0o755 })

  assert.equal(findKeychain({}, 'linux'), undefined)
  for (const answer of ['exit 1', 'echo b true', 'exec sleep 60']) {
    busctl(answer)
    assert.equal(findKeychain(bus, 'linux'), undefined, answer)
  }
  busctl('echo b false')
  assert.equal(findKeychain({ ...bus, PERDURA_KEYCHAIN: 'off' }, 'linux'), undefined)
  const { home, open } = begin(t, bus)
  const key = open().open()
  assert.equal(key.keeper, 'keychain')
  assert.deepEqual(open().open(), key)
  assert.deepEqual(open().find('keychain'), key)
  assert.equal(existsSync(join(home, 'credentials.key')), false)
  assert.ok(!calls().includes(Buffer.from(key.bytes).toString('hex')))
  busctl('echo b true')
  assert.equal(open().find('keychain'), undefined)
})

test('of processes that put a key into the keychain at once, all have the same, and it is the one that stays there', async (t) => {
  const folder = temporaryFolder(t)
  const { home } = begin(t)
  // Slow enough that all have looked before the first one has kept its key.
  const script = `#!/bin/sh
case "$1" in
  lookup) [ -s "${folder}/secret" ] && cat "${folder}/secret"; sleep 0.3 ;;
  store) cat > "${folder}/new.$$"; sleep 0.$(($$ % 5)); mv "${folder}/new.$$" "${folder}/secret" ;;
esac
`
  writeFileSync(join(folder, 'secret-tool'), script, { mode: 0o755 })
  writeFileSync(join(folder, 'busctl'), '#!/bin/sh\necho b false\n', { mode: 0o755 })
  const keys = await keysOf(home, 3, {
    PATH: `${folder}:${process.env['PATH'] ?? ''}`,
    DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nowhere',
    PERDURA_KEYCHAIN: 'on',
  })
  assert.deepEqual(new Set(keys), new Set([readFileSync(join(folder, 'secret'), 'utf8')]))
  assert.equal(existsSync(join(home, 'credentials.key')), false)
})

/** The keys of so many processes that open the chest of a home at once. */
function keysOf(home: string, count: number, environment: NodeJS.ProcessEnv): Promise<string[]> {
  const module = new URL('../../../src/platform/node/key-chest.ts', import.meta.url).href
  const source = `
    import { createNodeKeyChest } from ${JSON.stringify(module)}
    const chest = createNodeKeyChest(${JSON.stringify(home)}, { warn() {} }, process.env, 'linux')
    process.stdout.write(Buffer.from(chest.open().bytes).toString('hex'))`
  return Promise.all(
    Array.from({ length: count }, async () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, ...environment },
      })
      let text = ''
      for await (const chunk of child.stdout.setEncoding('utf8')) text += String(chunk)
      return text
    }),
  )
}

test('of twenty processes that make a key at once, all have the same', async (t) => {
  const { home } = begin(t)
  const keys = await keysOf(home, 20, { PERDURA_KEYCHAIN: 'off' })
  assert.match(keys[0] ?? '', /^[0-9a-f]{64}$/)
  assert.equal(new Set(keys).size, 1)
})
