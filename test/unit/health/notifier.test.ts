import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import { Notifier } from '../../../src/health/notifier.ts'
import type { CommandEnd } from '../../../src/platform/command-runner.ts'
import type { HttpAddress, HttpRequest } from '../../../src/platform/http.ts'
import type { Log, LogFields } from '../../../src/platform/log.ts'
import { SettingsSource } from '../../../src/settings/settings.ts'
import { outside, SimulatedClock } from '../../../src/testing/index.ts'

const secret = 's3cr3t-path'
const webhook = `https://hooks.example:8443/${secret}?key=${secret}`

function telling(notify: object, answers: (number | PerduraError)[] = []) {
  const clock = new SimulatedClock()
  const settings = new SettingsSource({ readFile: () => Buffer.from(JSON.stringify({ notify })) }, '/home')
  const logged: [string, LogFields | undefined][] = []
  const note = (event: string, fields?: LogFields): void => void logged.push([event, fields])
  const log: Log = { debug: note, info: note, warn: note, error: note, with: () => log }
  const posted: { address: HttpAddress; request: HttpRequest; atMs: number }[] = []
  const ran: { command: readonly string[]; input: string; atMs: number }[] = []
  let commandEnd: CommandEnd = { kind: 'exited', code: 0, signal: null }
  let commandMs = 0
  let running = 0
  const world = {
    clock,
    logged,
    posted,
    ran,
    mostRunning: 0,
    ends(end: CommandEnd, afterMs = 0) {
      commandEnd = end
      commandMs = afterMs
    },
  }
  const notifier = new Notifier({
    clock: clock.for(outside),
    log,
    settings: () => settings.current.of('Ada').notify,
    http: {
      request(address, request) {
        posted.push({ address, request, atMs: clock.monotonicMs() })
        const answer = answers.shift() ?? 204
        return typeof answer === 'number'
          ? Promise.resolve({ status: answer, headers: {}, body: Buffer.alloc(0) })
          : Promise.reject(answer)
      },
    },
    commands: {
      async run(command, { input }) {
        ran.push({ command, input, atMs: clock.monotonicMs() })
        running += 1
        world.mostRunning = Math.max(world.mostRunning, running)
        await new Promise<void>((resolve) => clock.schedule(commandMs, resolve, outside))
        running -= 1
        return commandEnd
      },
    },
  })
  return { ...world, world, notifier }
}

const unreachable = new PerduraError('ERR_HTTP_UNREACHABLE', `cannot reach ${webhook}`, {
  details: { reason: 'refused' },
})

test('a command gets the notice as JSON, and a webhook has it posted', async () => {
  const { clock, notifier, ran, posted, logged } = telling({ command: ['/bin/page', '--now'], webhook })
  notifier.tell({ event: 'unhealthy', agent: 'Ada' })
  await clock.runFor(100)
  assert.deepEqual(ran[0]?.command, ['/bin/page', '--now'])
  assert.deepEqual(JSON.parse(ran[0]?.input ?? ''), { event: 'unhealthy', agent: 'Ada' })
  const { address, request } = posted[0] ?? assert.fail('nothing was posted')
  assert.deepEqual(address, { host: 'hooks.example', port: 8443, tls: true })
  assert.deepEqual([request.method, request.path], ['POST', `/${secret}?key=${secret}`])
  assert.equal(request.headers['host'], 'hooks.example:8443')
  assert.deepEqual(JSON.parse(Buffer.from(request.body).toString()), { event: 'unhealthy', agent: 'Ada' })
  assert.deepEqual(logged.map(([event]) => event).toSorted(), ['notify:notice:sent', 'notify:notice:sent'])
})

test('nothing is done where nobody is to be told', async () => {
  const { clock, notifier, ran, posted } = telling({})
  notifier.tell({ event: 'unhealthy' })
  await clock.runFor(1_000)
  assert.equal(ran.length + posted.length, 0)
})

test('a webhook that does not answer or is ill is tried three times, one that refuses once', async () => {
  const ill = telling({ webhook }, [unreachable, 503, 204])
  ill.notifier.tell({ event: 'unhealthy' })
  await ill.clock.runFor(60_000)
  assert.deepEqual(
    ill.posted.map(({ atMs }) => atMs),
    [0, 2_000, 10_000],
  )
  assert.deepEqual(
    ill.logged.map(([event]) => event),
    ['notify:notice:sent'],
  )

  const gone = telling({ webhook }, [500, 500, 500, 500])
  gone.notifier.tell({ event: 'unhealthy' })
  await gone.clock.runFor(60_000)
  assert.equal(gone.posted.length, 3)
  assert.deepEqual(
    gone.logged.map(([event, fields]) => [event, fields?.['reason']]),
    [['notify:notice:failed', 'it answered 500']],
  )

  const refusing = telling({ webhook }, [401])
  refusing.notifier.tell({ event: 'unhealthy' })
  await refusing.clock.runFor(60_000)
  assert.equal(refusing.posted.length, 1)
})

test('an answer that is too large counts by its status: the notice has been taken, or has not', async () => {
  const large = (status: number) => new PerduraError('ERR_PAYLOAD_TOO_LARGE', '', { details: { status } })
  const taken = telling({ webhook }, [large(200)])
  taken.notifier.tell({ event: 'unhealthy' })
  await taken.clock.runFor(60_000)
  assert.deepEqual([taken.posted.length, taken.logged[0]?.[0]], [1, 'notify:notice:sent'])
  const ill = telling({ webhook }, [large(502), large(404)])
  ill.notifier.tell({ event: 'unhealthy' })
  await ill.clock.runFor(60_000)
  assert.deepEqual(
    [ill.posted.length, ill.logged[0]?.[0], ill.logged[0]?.[1]?.['reason']],
    [2, 'notify:notice:failed', 'it answered 404'],
  )
})

test('the address is never logged, whatever goes wrong', async () => {
  for (const answers of [[unreachable, unreachable, unreachable], [404], [204]]) {
    const { clock, notifier, logged } = telling({ webhook }, answers)
    notifier.tell({ event: 'unhealthy' })
    await clock.runFor(60_000)
    assert.equal(logged.length, 1)
    assert.doesNotMatch(JSON.stringify(logged), /s3cr3t|hooks\.example/)
  }
})

test('one at a time, not more often than is set, and of what comes in between the last', async () => {
  const { clock, notifier, ran, world } = telling({ command: ['page'], every: '1m' })
  world.ends({ kind: 'exited', code: 0, signal: null }, 90_000)
  for (let count = 0; count < 50; count++) notifier.tell({ count })
  await clock.runFor(300_000)
  assert.deepEqual(
    ran.map(({ input, atMs }) => [JSON.parse(input), atMs]),
    [[{ count: 49 }, 0]],
  )
  for (let count = 0; count < 50; count++) {
    notifier.tell({ count })
    await clock.runFor(10_000)
  }
  await clock.runFor(300_000)
  assert.equal(world.mostRunning, 1)
  const times = ran.map(({ atMs }) => atMs)
  assert.ok(times.slice(1).every((atMs, index) => atMs - (times[index] ?? 0) >= 60_000))
  assert.deepEqual(JSON.parse(ran.at(-1)?.input ?? ''), { count: 49 })
})

test('a command that fails, hangs or does not exist is said in the log, and keeps nothing back', async () => {
  for (const [end, reason] of [
    [{ kind: 'exited', code: 3, signal: null }, /exit code 3/],
    [{ kind: 'timeout' }, /not ended after 30.0s and was killed/],
    [{ kind: 'failed', reason: 'ENOENT' }, /could not be started: ENOENT/],
  ] as const) {
    const { clock, notifier, ran, logged, ends } = telling({ command: ['page'], every: '1s' })
    ends(end)
    notifier.tell({ event: 'unhealthy' })
    await clock.runFor(5_000)
    notifier.tell({ event: 'recovered' })
    await clock.runFor(5_000)
    assert.equal(ran.length, 2)
    assert.match(JSON.stringify(logged[0]?.[1]), reason)
  }
})

test('a notifier that is closed tells nothing more', async () => {
  const { clock, notifier, ran } = telling({ command: ['page'], every: '1m' })
  notifier.tell({ count: 1 })
  await clock.runFor(1_000)
  notifier.tell({ count: 2 })
  await clock.runFor(1_000)
  notifier.close()
  await clock.runFor(600_000)
  assert.equal(ran.length, 1)
})
