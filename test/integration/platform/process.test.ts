import assert from 'node:assert/strict'
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { test } from 'node:test'
import { createNodePlatform } from '../../../src/platform/node/platform.ts'

const source = new URL('../../../src/platform/node/', import.meta.url)

function run(script: string): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' })
}

test('crashes at once with 70, and gives the reason in one line', () => {
  const { status, stdout, stderr } = run(`
    const { createNodeProcess } = await import('${source.href}process.ts')
    process.on('exit', () => console.log('must not run'))
    setTimeout(() => console.log('must not run'), 0)
    try {
      createNodeProcess().crash(new Error('journal broken: token=abcdef123456', { cause: new Error('EIO') }))
    } finally {
      console.log('must not run')
    }
  `)
  assert.equal(status, 70)
  assert.equal(stdout, '')
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
  const line = JSON.parse(stderr)
  assert.equal(line.event, 'process:crash')
  assert.equal(line.level, 'error')
  assert.equal(line.error.message, 'journal broken: token=[redacted]')
  assert.match(line.error.stack, /\n +at /)
  assert.equal(line.error.cause.message, 'EIO')
})

test('loads neither HTTP nor WebSockets before they are used', () => {
  const { stdout, stderr } = run(`
    const { createNodePlatform } = await import('${source.href}platform.ts')
    createNodePlatform()
    const loaded = process.moduleLoadList.filter((name) => /^(NativeModule|Internal Binding) (http|_http_|internal.deps.undici)/.test(name))
    console.log(JSON.stringify(loaded))
  `)
  assert.equal(stderr, '')
  assert.deepEqual(JSON.parse(stdout), [])
})

test('loads neither TLS nor compression with the first WebSocket that needs neither, and both when they are asked for', () => {
  const { stdout, stderr } = run(`
    const { createNodeTransport } = await import('${source.href}transport.ts')
    const loaded = () => process.moduleLoadList.filter((name) => /^NativeModule (https|tls|zlib)$/.test(name)).length
    const closed = (url) => new Promise((resolve) => {
      createNodeTransport().connect(url, { headers: {}, frameBytesMax: 1_000 }, { onOpen() {}, onText() {}, onPong() {}, onClose: resolve })
    })
    await closed('ws://127.0.0.1:1/')
    const plain = loaded()
    await closed('wss://127.0.0.1:1/')
    const { createRequire } = await import('node:module')
    const own = createRequire(import.meta.url)('https') === process.getBuiltinModule('https')
    console.log(JSON.stringify({ plain, secure: loaded() > 0, own }))
  `)
  assert.equal(stderr, '')
  assert.deepEqual(JSON.parse(stdout), { plain: 0, secure: true, own: true })
})

test('has a clock that goes on, and randomness that does not repeat', async () => {
  const { clock, random, process: own } = createNodePlatform()
  assert.equal(own.pid, process.pid)
  assert.ok(Math.abs(clock.now() - Date.now()) < 1_000)
  const before = clock.monotonicMs()
  const delays = Array.from({ length: 50 }, (_, index) => index / 5)
  await Promise.all(
    delays.map(async (delay) => {
      await new Promise<void>((resolve) => clock.setTimer(delay, resolve))
      assert.ok(clock.monotonicMs() - before >= delay, `${delay}`)
    }),
  )
  assert.notEqual(random.uuid(), random.uuid())
  assert.equal(random.bytes(16).length, 16)
  assert.ok(random.fraction() < 1)
})

test('defers behind what is ready', async () => {
  const { clock } = createNodePlatform()
  const order: string[] = []
  await new Promise<void>((resolve) => {
    clock.defer(() => {
      order.push('deferred')
      resolve()
    })
    queueMicrotask(() => order.push('ready'))
  })
  assert.deepEqual(order, ['ready', 'deferred'])
})

test('does not fire a timer of a month at once, nor one that was cancelled', async (t) => {
  const { clock } = createNodePlatform()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let nowMs = 0
  t.mock.method(performance, 'now', () => nowMs)
  const fired: string[] = []
  const pass = (ms: number): void => {
    nowMs += ms
    t.mock.timers.tick(ms)
  }
  const month = 30 * 86_400_000
  clock.setTimer(month, () => fired.push('month'))
  const cancelled = clock.setTimer(month, () => fired.push('cancelled'))
  pass(2 ** 31 - 1)
  assert.deepEqual(fired, [])
  cancelled.cancel()
  pass(month - (2 ** 31 - 1) - 1)
  assert.deepEqual(fired, [])
  pass(1)
  assert.deepEqual(fired, ['month'])
})
