import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import { SettingsSource } from '../../../src/settings/settings.ts'

const read = (text: string | undefined) =>
  new SettingsSource({ readFile: () => (text === undefined ? undefined : Buffer.from(text)) }, '/home')
    .current

const parse = (document: unknown) => read(JSON.stringify(document))

function refusal(document: unknown): string {
  try {
    parse(document)
  } catch (error) {
    assert.ok(error instanceof PerduraError)
    assert.equal(error.code, 'ERR_SETTINGS')
    assert.equal(error.details['path'], '/home/config.json')
    return error.message
  }
  throw new assert.AssertionError({ message: 'it was taken' })
}

test('without a file the defaults hold, for every agent', () => {
  const settings = read(undefined)
  assert.equal(settings.base.supervision.hangMs, 15_000)
  assert.equal(settings.base.supervision.memoryMaxBytes, 2 ** 30)
  assert.equal(settings.base.notify.webhook, undefined)
  assert.deepEqual(settings.of('Ada'), settings.base)
})

test('a section of an agent goes before the common one, key by key', () => {
  const settings = parse({
    supervision: { hang_after: '20s', memory_max: '512MiB' },
    agents: { Ada: { supervision: { memory_max: null } }, Bo: {} },
  })
  assert.equal(settings.of('Ada').supervision.memoryMaxBytes, undefined)
  assert.equal(settings.of('Ada').supervision.hangMs, 20_000)
  assert.equal(settings.of('Bo').supervision.memoryMaxBytes, 536_870_912)
  assert.equal(settings.of('Cy').supervision.memoryMaxBytes, 536_870_912)
})

test('an agent with a name that every object has is none that the file names', () => {
  const settings = parse({ supervision: { hang_after: '20s' } })
  assert.equal(settings.of('constructor').supervision.hangMs, 20_000)
})

test('what is wrong is refused with the name of the key and what it takes', () => {
  assert.match(refusal({ supervison: {} }), /there is no setting "supervison": there are supervision, health/)
  assert.match(refusal({ health: { inbox_degrade: 1 } }), /there is no setting "health.inbox_degrade"/)
  assert.match(
    refusal({ supervision: { hang_after: 15 } }),
    /"supervision.hang_after" must be a duration from 3s to 1h, not 15;/,
  )
  assert.match(refusal({ supervision: { hang_after: '1s' } }), /from 3s to 1h, not "1s"/)
  assert.match(refusal({ supervision: { restart: 'sometimes' } }), /one of "always", "on-failure", "never"/)
  assert.match(refusal({ supervision: { memory_max: '512MB' } }), /a size from 64MiB to 1024GiB, or null/)
  assert.match(
    refusal({ health: { error_rate_degraded: 2 } }),
    /"health.error_rate_degraded" must be a number/,
  )
  assert.match(refusal({ health: { inbox_degraded: 1.5 } }), /must be a whole number/)
  assert.match(refusal({ supervision: { hang_after: null } }), /must be a duration/)
  assert.match(refusal({ notify: { command: 'page-me' } }), /a program and its arguments as a list/)
  assert.match(refusal({ notify: { command: ['page-me', 1] } }), /a program and its arguments as a list/)
  assert.match(refusal({ logs: { archive: 'archive' } }), /the absolute path of a folder, or null/)
  assert.match(refusal({ logs: [] }), /"logs" must be an object/)
  assert.match(refusal({ agents: { Ada: { agents: {} } } }), /there is no setting "agents.Ada.agents"/)
  assert.match(refusal({ agents: { Ada: { logs: { files_max: 0 } } } }), /"agents.Ada.logs.files_max"/)
  assert.match(refusal([]), /must be a JSON object/)
})

test('a threshold may not be beyond the worse one, also where only one of them is an agent’s own', () => {
  assert.match(
    refusal({ health: { inbox_degraded: 9_000 } }),
    /"health.inbox_degraded" may not be over "health.inbox_unhealthy"/,
  )
  assert.match(
    refusal({ health: { disk_free_unhealthy: '2GiB' } }),
    /"health.disk_free_degraded" may not be below "health.disk_free_unhealthy"/,
  )
  assert.match(
    refusal({ health: { inbox_degraded: 500 }, agents: { Ada: { health: { inbox_unhealthy: 400 } } } }),
    /"agents.Ada.health.inbox_degraded" may not be over/,
  )
})

test('no error shows an address, which may be a secret, nor the text of a file that is no JSON', () => {
  for (const webhook of [
    'http://hooks.example/s3cr3t-part',
    'https://me:s3cr3t-part@hooks.example/',
    's3cr3t-part',
  ]) {
    const message = refusal({ notify: { webhook } })
    assert.match(message, /"notify.webhook" must be an address that begins with https:/)
    assert.doesNotMatch(message, /s3cr3t/)
  }
  assert.throws(
    () => read('{"notify": {"webhook": "https://hooks.example/s3cr3t-part",,'),
    (error: Error) => error.message.includes('is not JSON') && !error.message.includes('s3cr3t'),
  )
})

test('settings that are read again hold only when all of them are right', () => {
  let text = '{"supervision": {"hang_after": "20s"}}'
  const source = new SettingsSource({ readFile: () => Buffer.from(text) }, '/home')
  text = '{"supervision": {"hang_after": "30s"}}'
  assert.equal(source.reload(), undefined)
  assert.equal(source.current.base.supervision.hangMs, 30_000)
  text = '{"supervision": {"hang_after": "40s", "restarts": 1}}'
  assert.equal(source.reload()?.code, 'ERR_SETTINGS')
  assert.equal(source.current.base.supervision.hangMs, 30_000)
})

test('a file that cannot be read or understood is an error at the start, or the defaults where somebody takes the error', () => {
  const unreadable = {
    readFile: (): never => {
      throw Object.assign(new Error('no'), { code: 'EACCES' })
    },
  }
  assert.throws(() => new SettingsSource(unreadable, '/home'), /config.json: cannot be read \(EACCES\)/)
  const told: PerduraError[] = []
  const source = new SettingsSource({ readFile: () => Buffer.from('[]') }, '/home', {
    lenient: (error) => told.push(error),
  })
  assert.deepEqual(
    told.map(({ code }) => code),
    ['ERR_SETTINGS'],
  )
  assert.equal(source.current.of('Ada').supervision.hangMs, 15_000)
})
