import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { until, withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }
const program = fileURLToPath(new URL('../../../bin/perdura.mjs', import.meta.url))
/** What an idle agent has open, and a few more. */
const openFilesMax = 48

function write(cli: CommandLine, body: string, limits = '{}'): void {
  writeFileSync(
    join(cli.folder, 'ada.ts'),
    `import { defineAgent } from 'perdura'
     export default defineAgent({ name: 'Ada', limits: ${limits}, async onMessage({ text, payload }, ctx) { ${body} } })`,
  )
}

const post = (port: number, agent: Agent, id: string, text: string): Promise<number> =>
  new Promise((resolve) => {
    const headers = { 'content-type': 'text/plain', 'idempotency-key': id, 'content-length': text.length }
    const path = '/agents/Ada/inbox'
    const asked = request({ agent, host: '127.0.0.1', port, method: 'POST', path, headers }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0))
    })
    asked.on('error', () => resolve(0))
    asked.end(text)
  })

test(
  'an agent that may open no more files stays, refuses what it cannot keep, and goes on once it may',
  { ...patience, skip: process.platform === 'linux' ? false : 'needs /proc and ulimit' },
  () =>
    withCommandLine(async (cli) => {
      write(cli, 'await ctx.reply(String(text.length))')
      const command = [process.execPath, program, 'run', './ada.ts', '--port', '0', '--no-hub']
      const child = spawn('bash', ['-c', `ulimit -n ${openFilesMax}; exec "$@"`, 'bash', ...command], {
        cwd: cli.folder,
        env: { ...process.env, PERDURA_HOME: cli.home },
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      const ended = once(child, 'close')
      let said = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
      const sockets: Socket[] = []
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      try {
        await until('it is ready', () => said.includes('is ready'))
        const { ingressPort } = cli.record()
        // Enough of them fill a segment of the journal, so that files have to be opened.
        const text = 'x'.repeat(200_000)
        const accepted = new Set<string>()
        const send = async (id: string): Promise<number> => {
          const status = await post(ingressPort, agent, id, text)
          if (status === 202) accepted.add(id)
          return status
        }
        assert.equal(await send('first'), 202)
        for (let count = 0; count < 2 * openFilesMax; count += 1) {
          const socket = connect(ingressPort, '127.0.0.1')
          socket.on('error', () => undefined)
          sockets.push(socket)
        }
        const refused = new Set<number>()
        await until('it can keep nothing more', async () => {
          const status = await send(`during-${accepted.size}-${refused.size}`)
          if (status !== 202) refused.add(status)
          return refused.size > 0
        })
        assert.deepEqual([...refused], [503])
        // Longer than what looks once a second needs to fall over it.
        const heldMs = performance.now() + 3_000
        await until('it has stood it for a while', () => performance.now() > heldMs)
        assert.equal(child.exitCode, null, said)
        for (const socket of sockets) socket.destroy()
        await until('it takes messages again', async () => (await send('after')) === 202)
        const { turns } = await cli.json(['turn', 'list', 'Ada', '--status', 'dead'])
        assert.deepEqual(turns, [])
        await until('all that was accepted is handled', async () => {
          const done = await cli.json(['turn', 'list', 'Ada', '--status', 'done', '--limit', '1000'])
          return done.turns.length === accepted.size
        })
        child.kill('SIGTERM')
        assert.deepEqual(await ended, [0, null])
        assert.doesNotMatch(
          readFileSync(join(cli.home, 'agents', 'Ada', 'agent.log'), 'utf8'),
          /process:crash/,
        )
      } finally {
        for (const socket of sockets) socket.destroy()
        agent.destroy()
        child.kill('SIGKILL')
        await ended
      }
    }),
)

test(
  'an agent that runs out of heap comes back, the message that does it is set aside, and nothing is lost',
  patience,
  () =>
    withCommandLine(async (cli) => {
      write(
        cli,
        `if (text === 'leak') { const all = []; for (;;) all.push(new Array(10_000).fill(Math.random())) }
       await ctx.reply('handled ' + text)`,
        '{ crashesMax: 2 }',
      )
      const up = cli.start(['up', './ada.ts', '--port', '0', '--no-hub'], {
        environment: { NODE_OPTIONS: '--max-old-space-size=64' },
      })
      await up.says(/is ready/)
      await cli.json(['send', 'Ada', 'leak', '--conversation', 'bad', '--id', 'leak'])
      await up.says(/SIGABRT|exit code 134/)
      await cli.json(['send', 'Ada', 'one', '--conversation', 'good', '--id', 'one'])
      const waited = await cli.run([
        'send',
        'Ada',
        'leak',
        '--conversation',
        'bad',
        '--id',
        'leak',
        '--wait',
        '--json',
      ])
      assert.equal(JSON.parse(waited.stdout).code, 'ERR_TURN_DEAD', waited.stderr)
      assert.match(waited.stderr, /the process died 2 times while only this turn ran/)
      const { replies } = await cli.json([
        'send',
        'Ada',
        'one',
        '--conversation',
        'good',
        '--id',
        'one',
        '--wait',
      ])
      assert.equal(replies[0].text, 'handled one')
      assert.match((await cli.run(['why', 'Ada'])).stdout, /set aside after the process died 2 times in it/)
      up.kill('SIGTERM')
      assert.equal((await up.ended).code, 0)
    }),
)
