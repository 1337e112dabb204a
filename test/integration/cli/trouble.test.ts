import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { configure, until, withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 60_000 }

/** An agent with a handler, beside the home. */
function write(
  cli: CommandLine,
  name: string,
  handlers: string,
  limits = '{ failuresMax: 2, retryDelayMs: 20 }',
): string {
  const path = join(cli.folder, `${name.toLowerCase()}.ts`)
  writeFileSync(
    path,
    `import { appendFileSync } from 'node:fs'
     import { defineAgent } from 'perdura'
     const note = (text: string) => appendFileSync(${JSON.stringify(join(cli.folder, 'outside'))}, text + '\\n')
     export default defineAgent({ name: '${name}', limits: ${limits}, ${handlers} })`,
  )
  return path
}

const outside = (cli: CommandLine): string[] => {
  try {
    return readFileSync(join(cli.folder, 'outside'), 'utf8').trim().split('\n')
  } catch {
    return []
  }
}

test('an effect that a kill leaves open is shown, explained, decided, and never repeated', patience, () =>
  withCommandLine(async (cli) => {
    const file = write(
      cli,
      'Bea',
      `async onMessage(message, ctx) {
         const receipt = await ctx.effect('charge', {
           run: async ({ key }) => { note(key); await new Promise(() => setTimeout(() => {}, 60_000)) },
         })
         await ctx.reply('Paid ' + JSON.stringify(receipt))
       }`,
    )
    const up = await cli.up([file])
    await cli.json(['send', 'Bea', 'pay', '--id', 'pay-1'])
    await until('the charge is under way', () => outside(cli).length === 1)
    process.kill(cli.record('Bea').pid, 'SIGKILL')
    await up.says(/ready again/)

    const waited = await cli.run(['send', 'Bea', 'pay', '--id', 'pay-1', '--wait', '--json'])
    assert.equal(waited.code, 1)
    assert.equal(JSON.parse(waited.stdout).code, 'ERR_TURN_PARKED')
    const { turn, key } = JSON.parse(waited.stdout).details
    assert.match(waited.stderr, /nobody knows whether effect "charge"/)

    const why = await cli.run(['why', 'Bea'])
    assert.match(
      why.stdout,
      new RegExp(`turn ${turn} .* waits for you: nobody knows whether effect "charge" \\(key ${key}\\)`),
    )
    assert.match(why.stdout, new RegExp(`perdura turn resolve Bea ${turn} charge <--done\\|--not-done>`))
    const shown = await cli.json(['turn', 'show', 'Bea', String(turn)])
    assert.deepEqual(
      shown.effects.map(({ name, status }: { name: string; status: string }) => [name, status]),
      [['charge', 'unknown']],
    )

    assert.equal((await cli.run(['turn', 'resolve', 'Bea', String(turn), 'charge'])).code, 2)
    const wrong = await cli.run(['turn', 'resolve', 'Bea', String(turn), 'refund', '--done', '--json'])
    assert.equal(JSON.parse(wrong.stdout).code, 'ERR_NO_SUCH_TURN')
    await cli.json(['turn', 'resolve', 'Bea', String(turn), 'charge', '--done', '--result', '{"amount":10}'])
    const replies = (await cli.json(['send', 'Bea', 'pay', '--id', 'pay-1', '--wait'])).replies
    assert.deepEqual(
      replies.map(({ text }: { text: string }) => text),
      ['Paid {"amount":10}'],
    )
    assert.equal(outside(cli).length, 1)
  }),
)

test('a turn that keeps failing is set aside with its evidence, and can be tried again', patience, () =>
  withCommandLine(async (cli) => {
    const file = write(
      cli,
      'Bea',
      `async onMessage(message, ctx) {
         if (!globalThis.process.env.MENDED) throw new Error('the shop is closed')
         await ctx.reply('Done')
       }`,
    )
    const up = await cli.up([file])
    const sent = await cli.run(['send', 'Bea', 'buy', '--wait'])
    assert.equal(sent.code, 1)
    assert.match(sent.stderr, /turn \d+ was set aside: .*the shop is closed/)
    const queue = await cli.json(['queue', 'list', 'Bea'])
    const [dead] = queue.dead_letters
    assert.match(dead.error, /the shop is closed/)
    const shown = await cli.run(['turn', 'show', 'Bea', String(dead.turn)])
    assert.match(shown.stdout, /set aside/)
    assert.match((await cli.run(['why', 'Bea'])).stdout, new RegExp(`perdura turn retry Bea ${dead.turn}`))

    up.kill('SIGTERM')
    await up.ended
    const mended = cli.start(['up', 'Bea', '--port', '0'], { environment: { MENDED: '1' } })
    await mended.says(/ is ready /)
    await cli.json(['turn', 'retry', 'Bea', String(dead.turn)])
    await until('it is done', async () => (await cli.json(['status', 'Bea'])).inbox.dead === 0)
    await until('its reply is there', async () => (await cli.json(['status', 'Bea'])).outbox.for_you === 1)
  }),
)

test('a process in an endless loop can be looked at, and what it took in survives it', patience, () =>
  withCommandLine(async (cli) => {
    // Nobody else is to end the loop before it has been looked at.
    configure(cli, { supervision: { hang_after: '5m' } })
    const file = write(cli, 'Bea', `onMessage() { if (!process.env.MENDED) for (;;); }`)
    const up = await cli.up([file])
    const { position } = await cli.json(['send', 'Bea', 'loop'])
    await until('it loops', async () => (await cli.json(['status', 'Bea'])).inbox.running === 1)
    const why = await cli.run(['why', 'Bea'])
    assert.match(why.stdout, /runs but does not answer: a handler may be in an endless loop/)
    assert.match(why.stdout, new RegExp(`turn ${position} .* has been running`))
    assert.equal((await cli.json(['turn', 'show', 'Bea', String(position)])).status, 'running')
    up.kill('SIGKILL')
    process.kill(cli.record('Bea').pid, 'SIGKILL')
    await up.ended
    const again = cli.start(['up', 'Bea', '--port', '0'], { environment: { MENDED: '1' } })
    await again.says(/ is ready /)
    await until(
      'it is done',
      async () => (await cli.json(['turn', 'show', 'Bea', String(position)])).status === 'done',
    )
  }),
)

test('agents of one home talk to each other, and wait for one that does not run', patience, () =>
  withCommandLine(async (cli) => {
    const bea = write(cli, 'Bea', `async onMessage(message, ctx) { await ctx.send('Bob', message.text) }`)
    const bob = write(cli, 'Bob', `onMessage(message) { note(message.from + ': ' + message.text) }`)
    const up = await cli.up([bob])
    up.kill('SIGTERM')
    await up.ended
    await cli.up([bea])
    await cli.json(['send', 'Bea', 'hello Bob', '--wait'])
    await until('it waits', async () => (await cli.json(['status', 'Bea'])).outbox.pending === 1)
    assert.match(
      (await cli.run(['why', 'Bea'])).stdout,
      /1 message for Bob waits: Bob is not running\n {2}perdura start Bob/,
    )
    await cli.up(['Bob'])
    await until('it arrives', () => outside(cli).includes('Bea: hello Bob'))
    await until('it is settled', async () => (await cli.json(['status', 'Bea'])).outbox.pending === 0)
    assert.deepEqual(outside(cli), ['Bea: hello Bob'])
  }),
)

test('a message to nobody is refused, and the turn that sent it says so', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up([write(cli, 'Bea', `async onMessage(message, ctx) { await ctx.send('Nobody', 'x') }`)])
    const { position } = await cli.json(['send', 'Bea', 'try', '--wait'])
    await until('it is refused', async () => {
      const { sent } = await cli.json(['turn', 'show', 'Bea', String(position)])
      return sent[0].status === 'refused' && /there is no agent "Nobody"/.test(sent[0].error)
    })
  }),
)

test('a definition that leaves a timer running does not keep the process from stopping', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.up([write(cli, 'Bea', `onStart() { setInterval(() => {}, 1000) }`)])
    up.kill('SIGTERM')
    assert.equal((await up.ended).code, 0)
  }),
)

test('a program that crashes before it is ready is tried again, ever more slowly', patience, () =>
  withCommandLine(async (cli) => {
    const file = write(cli, 'Bea', `onStart() { setTimeout(() => { throw new Error('a bug') }) }`)
    const up = cli.start(['up', file, '--port', '0'])
    await up.says(/exit code 70/, 3)
    await up.says(/a bug/, 3)
    up.kill('SIGTERM')
    assert.equal((await up.ended).code, 0)
  }),
)
