import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { configure, until, withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import { parseExposition, valueOf } from '../../helpers/exposition-parser.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** `fetch` sets the host itself. */
function ask(
  place: { readonly port: number } | { readonly socketPath: string },
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const host = 'port' in place ? '127.0.0.1' : undefined
    const asking = request({ ...place, host, path, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
    asking.on('error', reject)
    asking.end()
  })
}

/** The port of a hub that the daemon keeps running. */
async function startedHub(cli: CommandLine): Promise<{ readonly port: number }> {
  const { code, stderr } = await cli.run(['hub', 'start', '--port', '0'])
  assert.equal(code, 0, stderr)
  return { port: cli.hubRecord().addresses[0]?.port ?? 0 }
}

test('a hub says that it is ready to anybody, and what it measures to who is on its machine', patience, () =>
  withCommandLine(async (cli) => {
    await cli.upWithHub()
    const place = { port: cli.hubRecord().addresses[0]?.port ?? 0 }
    const socket = { socketPath: join(cli.home, 'hub', 'control.sock') }
    assert.equal(statSync(socket.socketPath).mode & 0o777, 0o600)
    // What agents and the original have always been answered.
    assert.deepEqual(JSON.parse((await ask(place, '/healthz')).text), { success: true, status: 'ok' })
    assert.deepEqual(JSON.parse((await ask(place, '/readyz')).text), { ready: true, reasons: [] })

    const elsewhere: Readonly<Record<string, string>>[] = [
      { 'x-forwarded-for': '192.0.2.1' },
      { forwarded: 'for=192.0.2.1' },
      { via: '1.1 proxy' },
      { host: 'hub.example.org' },
      { origin: 'https://example.org' },
      { 'sec-fetch-site': 'cross-site' },
    ]
    for (const headers of elsewhere) {
      const hidden = await ask(place, '/metrics', headers)
      assert.deepEqual([hidden.status, JSON.parse(hidden.text).code], [404, 'ERR_NO_SUCH_ROUTE'])
      const ready = await ask(place, '/readyz', headers)
      assert.deepEqual([ready.status, JSON.parse(ready.text)], [200, { ready: true }])
    }

    const metrics = await ask(place, '/metrics')
    assert.deepEqual(
      [metrics.status, metrics.headers['content-type']],
      [200, 'text/plain; version=0.0.4; charset=utf-8'],
    )
    // Whatever comes in, there are no more of them.
    const seriesOf = (text: string): string[] =>
      [...parseExposition(text).values()].flatMap(({ samples }) =>
        samples.map(({ name, labels }) => JSON.stringify([name, labels])),
      )
    const before = new Set(seriesOf(metrics.text))
    for (let index = 0; index < 20; index++) {
      assert.equal((await ask(place, `/api/v1/nothing-${index}`)).status, 404)
      assert.equal((await ask(place, '/api/v1/ai/list', { authorization: `Bearer ${index}` })).status, 401)
    }
    // Ada asks Bo for a report by herself.
    await until('something was brought to the disk', async () => {
      const families = parseExposition((await ask(socket, '/metrics')).text)
      const count = families
        .get('perdura_hub_commit_duration_seconds')
        ?.samples.find(({ name }) => name.endsWith('_count'))
      return (count?.value ?? 0) > 5 && valueOf(families, 'perdura_hub_sessions') === 2
    })
    await until('the next sample knows of both connections', async () => {
      const families = parseExposition((await ask(place, '/metrics')).text)
      return valueOf(families, 'perdura_hub_connections') === 2
    })
    const later = (await ask(place, '/metrics')).text
    const labelled = seriesOf(later).filter((series) => !series.endsWith('{}]'))
    assert.ok(
      labelled.every((series) => before.has(series) || series.includes('health_check_state')),
      labelled.join('\n'),
    )
    assert.ok(before.size > 40 && seriesOf(later).length < 90, String(seriesOf(later).length))
    const families = parseExposition(later)
    assert.equal(valueOf(families, 'perdura_hub_operation_failures_total'), 0)
    assert.ok((valueOf(families, 'perdura_hub_admitted_total') ?? 0) >= 4)
    // Documented, each of them.
    const page = ['http.md', 'hub-api.md']
      .map((name) => readFileSync(join(import.meta.dirname, '../../../docs/reference', name), 'utf8'))
      .join()
    for (const name of families.keys()) assert.ok(page.includes(`\`${name}\``), `${name} is not documented`)
    assert.equal((await ask(socket, '/v1/nothing')).status, 404)
    assert.equal((await ask(socket, '/v1/health', { origin: 'https://example.org' })).status, 403)
  }),
)

test('with a token the metrics are for who shows it, from anywhere, and for nobody else', patience, () =>
  withCommandLine(async (cli) => {
    const environment = { PERDURA_METRICS_TOKEN: 'let-me-see-all-of-it' }
    const running = cli.start(['hub', 'run', '--port', '0'], { environment })
    await running.says(/the hub is ready/)
    const place = { port: cli.hubRecord().addresses[0]?.port ?? 0 }
    const refused = await ask(place, '/metrics')
    assert.deepEqual([refused.status, refused.headers['www-authenticate']], [401, 'Bearer'])
    const headers = {
      authorization: 'Bearer let-me-see-all-of-it',
      host: 'hub.example.org',
      'x-forwarded-for': '192.0.2.1',
    }
    parseExposition((await ask(place, '/metrics', headers)).text)
    const empty = await cli.run(['hub', 'run', '--port', '0'], { environment: { PERDURA_METRICS_TOKEN: '' } })
    assert.equal(empty.code, 2)
    assert.match(empty.stderr, /PERDURA_METRICS_TOKEN must be/)
    const shown = await cli.run(['health', 'hub'])
    assert.equal(shown.code, 0, shown.stderr)
    assert.match(shown.stdout, /^hub {2}healthy\n.*nobody watched it/)
    running.kill('SIGTERM')
    await running.ended
    assert.ok(!existsSync(join(cli.home, 'hub', 'control.sock')))
    const gone = await cli.run(['health', 'hub'])
    assert.deepEqual([gone.code, /^hub {2}not running/.test(gone.stdout)], [3, true])
  }),
)

test(
  'a hub whose database is gone takes nothing in, is not ready and says why; when it is back it goes on',
  patience,
  () =>
    withCommandLine(async (cli) => {
      configure(cli, { health: { sample_every: '1s' } })
      const place = await startedHub(cli)
      await until('it is healthy', async () => (await cli.run(['health', 'hub'])).code === 0)
      const [file, aside] = [join(cli.home, 'hub', 'hub.db'), join(cli.home, 'aside.db')]
      renameSync(file, aside)
      await until('it is not ready', async () => (await ask(place, '/readyz')).status === 503)
      assert.deepEqual(JSON.parse((await ask(place, '/readyz')).text).reasons, [
        'its database cannot be written to',
      ])
      // It lives: a restart would only lose what is in it.
      assert.equal((await ask(place, '/healthz')).status, 200)
      // What it cannot keep it does not take.
      const login = await fetch(`http://127.0.0.1:${place.port}/api/v1/auth/challenge`, {
        method: 'POST',
        body: JSON.stringify({ ai_name: 'Ada' }),
      })
      const refusal = (await login.json()) as { readonly code: string }
      assert.deepEqual([login.status, refusal.code], [503, 'ERR_HUB_STORAGE'])
      await until('it finds itself unhealthy', async () => (await cli.run(['health', 'hub'])).code === 1)
      const { stdout } = await cli.run(['health', 'hub'])
      assert.match(stdout, /^hub {2}unhealthy, not ready: its database cannot be written to$/m)
      assert.match(stdout, /^database +unhealthy: nothing can be written .*hub\.db is gone: put it back/m)
      await until('status has it', async () => (await cli.json(['status'])).hub.state === 'unhealthy')
      assert.match((await cli.run(['status'])).stdout, /^hub +unhealthy .*hub\.db is gone/m)
      const status = await cli.run(['hub', 'status'])
      assert.match(status.stdout, /^health +unhealthy: nothing can be written/m)
      const all = JSON.parse((await cli.run(['health', '--json'])).stdout)
      assert.deepEqual(
        [all.hub.state, all.hub.not_ready],
        ['unhealthy', ['its database cannot be written to']],
      )

      renameSync(aside, file)
      await until('it is ready', async () => (await ask(place, '/readyz')).status === 200)
      await until('it is healthy', async () => (await cli.run(['health', 'hub'])).code === 0)
      const after = await cli.json(['health', 'hub'])
      assert.equal(after.outages.length, 1)
      assert.match(after.outages[0].causes.join(), /its database cannot be written to/)
      const log = readFileSync(join(cli.home, 'hub', 'hub.log'), 'utf8')
      assert.match(log, /"event":"health:state:changed".*"to":"unhealthy"/)
    }),
)
