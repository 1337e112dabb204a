import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { configure, until, withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import { parseExposition, valueOf } from '../../helpers/exposition-parser.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 90_000 }

/** An agent of these lines of code, in a file of its own. */
function agentFile(cli: CommandLine, body: string): string {
  const path = join(cli.folder, 'ada.ts')
  const text = `import { defineAgent } from 'perdura'\nexport default defineAgent({ name: 'Ada', ${body} })\n`
  writeFileSync(path, text)
  return path
}

/** A command that appends what it is told to a file. */
function pager(cli: CommandLine): {
  readonly command: readonly string[]
  notices(): Record<string, unknown>[]
} {
  const [script, file] = [join(cli.folder, 'pager.mjs'), join(cli.folder, 'notices')]
  const read = `let text = ''; for await (const part of process.stdin) text += part`
  writeFileSync(
    script,
    `import fs from 'node:fs'\n${read}\nfs.appendFileSync(${JSON.stringify(file)}, text)\n`,
  )
  return {
    command: [process.execPath, script],
    notices: () =>
      existsSync(file)
        ? readFileSync(file, 'utf8')
            .split('\n')
            .filter((line) => line !== '')
            .map((line) => JSON.parse(line) as Record<string, unknown>)
        : [],
  }
}

async function get(cli: CommandLine, path: string, token?: string) {
  const url = `http://127.0.0.1:${cli.record().ingressPort}${path}`
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(url, { headers })
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
}

test(
  'metrics are whole while the agent works, need the token where there is one, and count what was done',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const token = 'let-me-in-please'
      const running = cli.start(['up', 'Ada', '--port', '0'], {
        environment: { PERDURA_INGRESS_TOKEN: token },
      })
      await running.says(/ is ready /)
      assert.equal((await get(cli, '/healthz')).status, 200)
      assert.deepEqual(JSON.parse((await get(cli, '/readyz')).text), {
        ready: true,
        agent: 'Ada',
        reasons: [],
      })
      assert.equal((await get(cli, '/metrics')).status, 401)

      const url = `http://127.0.0.1:${cli.record().ingressPort}/agents/Ada/inbox`
      const posting = Array.from({ length: 60 }, (_, index) =>
        fetch(url, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'idempotency-key': `k-${index}`,
            'content-type': 'text/plain',
          },
          body: `remember that number ${index} was here`,
        }).then(({ status }) => status),
      )
      for (let scrape = 0; scrape < 20; scrape++) {
        const { status, type, text } = await get(cli, '/metrics', token)
        assert.deepEqual([status, type], [200, 'text/plain; version=0.0.4; charset=utf-8'])
        parseExposition(text)
      }
      assert.deepEqual(new Set(await Promise.all(posting)), new Set([202]))
      await until('all are done', async () => {
        const families = parseExposition((await get(cli, '/metrics', token)).text)
        return valueOf(families, 'perdura_inbox_entries') === 0
      })
      const families = parseExposition((await get(cli, '/metrics', token)).text)
      const done = valueOf(families, 'perdura_turns_done_total') ?? 0
      assert.ok((valueOf(families, 'perdura_inbox_accepted_total') ?? 0) >= 60 && done >= 60)
      const countOf = (name: string): number | undefined =>
        families.get(name)?.samples.find((sample) => sample.name === `${name}_count`)?.value
      assert.equal(countOf('perdura_turn_duration_seconds'), done)
      assert.ok((countOf('perdura_commit_duration_seconds') ?? 0) > 0)
      assert.equal(countOf('perdura_recovery_duration_seconds'), 1)
      // Documented, each of them.
      const page = readFileSync(join(import.meta.dirname, '../../../docs/reference/http.md'), 'utf8')
      for (const name of families.keys()) assert.ok(page.includes(`\`${name}\``), `${name} is not documented`)
    }),
)

test('at a hub, publishing and coming back are measured', patience, () =>
  withCommandLine(async (cli) => {
    await cli.upWithHub()
    const countOf = async (name: string): Promise<number> => {
      const families = parseExposition((await get(cli, '/metrics')).text)
      return families.get(name)?.samples.find((sample) => sample.name === `${name}_count`)?.value ?? 0
    }
    // Ada asks Bo for a report by herself.
    await until('a verdict was measured', async () => (await countOf('perdura_publish_duration_seconds')) > 0)
    assert.equal(await countOf('perdura_reconnect_duration_seconds'), 0)
    process.kill(cli.hubRecord().pid, 'SIGKILL')
    await until('it came back', async () => (await countOf('perdura_reconnect_duration_seconds')) === 1)
    await until('the hub is heard', async () => {
      const { text } = await get(cli, '/metrics')
      return valueOf(parseExposition(text), 'perdura_hub_online') === 1
    })
  }),
)

test(
  'a kill is an outage with its cause, a stop is none, and the exit code says how it stands',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const up = await cli.up()
      process.kill(cli.record().pid, 'SIGKILL')
      await up.says(/is ready again/)
      const now = await cli.json(['health', 'Ada'])
      assert.deepEqual([now.state, now.ready, now.reasons], ['healthy', true, []])
      const killed = now.outages.filter(({ causes }: { causes: string[] }) => /SIGKILL/.test(causes.join()))
      assert.equal(killed.length, 1)
      assert.equal(killed[0].ongoing, false)
      assert.ok(now.availability_percent > 0 && now.availability_percent < 100)
      assert.match(
        (await cli.run(['health', 'Ada'])).stdout,
        /available .* % of .*: down for [^]*killed \(SIGKILL\)/,
      )
      assert.match((await cli.run(['health'])).stdout, /^Ada +healthy +[\d.]+ %/m)

      up.kill('SIGTERM')
      await up.ended
      const stopped = await cli.run(['health', 'Ada', '--json'])
      assert.equal(stopped.code, 3)
      const document = JSON.parse(stopped.stdout)
      assert.equal(document.state, 'not running')
      assert.equal(document.outages.length, now.outages.length)
      assert.ok(document.unwatched_ms > 0)
      assert.equal((await cli.run(['health', 'Nobody'])).code, 4)
      assert.equal((await cli.run(['health', 'Ada', '--since', '1s'])).code, 2)
    }),
)

test(
  'an error rate over its threshold is unhealthy: a person is told by command and webhook, and when it is over',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const posted: string[] = []
      const server = createServer((request, response) => {
        let body = ''
        request.on('data', (part) => (body += part))
        request.on('end', () => {
          posted.push(`${request.method} ${request.url} ${body}`)
          // The first attempt finds it ill.
          response.writeHead(posted.length === 1 ? 503 : 204).end()
        })
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as { port: number }
      try {
        const { command, notices } = pager(cli)
        configure(cli, {
          health: { sample_every: '1s', rate_window: '10s', rate_samples_min: 3 },
          notify: { command, webhook: `http://127.0.0.1:${port}/s3cr3t`, every: '1s' },
        })
        const file = agentFile(
          cli,
          `limits: { failuresMax: 50, retryDelayMs: 100, retryDelayMaxMs: 200 },
         onMessage(message) { if (message.text === 'bad') throw new Error('it does not work') }`,
        )
        const up = await cli.up([file])
        const bad = await cli.run(['send', 'Ada', 'bad', '--json'])
        assert.equal(bad.code, 0, bad.stderr)
        await until(
          'the agent finds itself unhealthy',
          async () => (await cli.run(['health', 'Ada'])).code === 1,
        )
        const shown = (await cli.run(['health', 'Ada'])).stdout
        assert.match(shown, /error_rate +unhealthy: .*% of the attempts .* failed: perdura turn list Ada/)
        await until('the command was told', () => notices().length === 1)
        const [notice] = notices()
        assert.deepEqual(
          [notice?.['event'], notice?.['agent'], notice?.['state']],
          ['unhealthy', 'Ada', 'unhealthy'],
        )
        assert.match(JSON.stringify(notice?.['reasons']), /"check":"error_rate"/)
        await until('the webhook was told, although it was ill', () => posted.length === 2)
        assert.match(posted[1] ?? '', /^POST \/s3cr3t \{"event":"unhealthy","agent":"Ada"/)
        // The rate is of a window: when the turn is dead and nothing fails any more, it is over.
        await until('it has given up', async () => (await cli.json(['status', 'Ada'])).inbox.dead === 1)
        await until('a person is told that it is over', () => notices().at(-1)?.['event'] === 'recovered')
        up.kill('SIGTERM')
        const { stdout, stderr } = await up.ended
        const log = readFileSync(join(cli.home, 'agents', 'Ada', 'agent.log'), 'utf8')
        assert.ok(/"event":"health:state:changed","agent":"Ada","from":"[a-z]+","to":"unhealthy"/.test(log))
        assert.ok(!(stdout + stderr + log).includes('s3cr3t'))
      } finally {
        server.closeAllConnections()
        server.close()
      }
    }),
)

test('an agent in safe mode lives, is not ready, and has been told of', patience, () =>
  withCommandLine(async (cli) => {
    const { command, notices } = pager(cli)
    configure(cli, {
      supervision: { failures_max: 2, safe_mode_first: '1h' },
      notify: { command, every: '1s' },
    })
    const file = agentFile(cli, `async onMessage() { process.exit(1) }`)
    await cli.up([file])
    for (let death = 1; death <= 2; death++) {
      const { pid } = cli.record()
      process.kill(pid, 'SIGKILL')
      await until('the next one is there', () => {
        try {
          return cli.record().pid !== pid
        } catch {
          return false
        }
      })
      await delay(50)
    }
    await until(
      'it is in safe mode',
      async () => (await get(cli, '/readyz').catch(() => undefined))?.status === 503,
    )
    assert.deepEqual(JSON.parse((await get(cli, '/readyz')).text), {
      ready: false,
      agent: 'Ada',
      reasons: ['it is in safe mode'],
    })
    assert.equal((await get(cli, '/healthz')).status, 200)
    await until('a person was told', () => notices().some(({ event }) => event === 'safe_mode_entered'))
    const document = JSON.parse((await cli.run(['health', 'Ada', '--json'])).stdout)
    assert.match(document.outages.at(-1).causes.join(), /it is in safe mode/)
    assert.equal(document.outages.at(-1).ongoing, true)
  }),
)

test(
  'settings that cannot be understood are refused with the key, before anything is started',
  patience,
  () =>
    withCommandLine(async (cli) => {
      configure(cli, { supervision: { hang_afer: '20s' } })
      const { code, stderr } = await cli.run(['up', 'Ada', '--port', '0'])
      assert.equal(code, 78)
      assert.match(stderr, /ERR_SETTINGS: .*config\.json: there is no setting "supervision\.hang_afer"/)
    }),
)
