import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until, withCommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 90_000 }

test('a person looks at the queues, stops them, and deals with what is dead in them', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.up(['Ada'])
    const queue = (...args: readonly string[]) => cli.json(['queue', ...args])
    await queue('pause', 'Ada')
    await cli.json(['send', 'Ada', 'hello'])
    await cli.json(['send', 'Ada', 'for later', '--to', 'Bo', '--priority', 'low'])
    await cli.json(['send', 'Ada', 'at once', '--to', 'Cy', '--priority', 'high', '--ttl', '24h'])
    up.kill('SIGKILL')
    await up.ended
    // Also while it does not run.
    const stopped = await queue('list', 'Ada')
    assert.equal(
      stopped.inbox.some(({ text }: { text: string }) => text === 'hello'),
      true,
    )
    assert.deepEqual(
      stopped.outbox.map(({ text, priority }: { text: string; priority: string }) => [text, priority]),
      [
        ['at once', 'high'],
        ['for later', 'low'],
      ],
    )
    const shown = await queue('show', 'Ada', 'out:2')
    assert.deepEqual(
      [shown.message.to, shown.message.ttl_ms, shown.message.is_under_way],
      ['Cy', 86_400_000, false],
    )
    assert.match((await cli.run(['why', 'Ada'])).stdout, /the outbox has been paused/)
    assert.match((await cli.run(['queue', 'list', 'Ada'])).stdout, /the inbox has been paused/)

    await cli.up(['Ada'])
    const status = await cli.json(['status', 'Ada'])
    assert.ok(status.paused.inbox > 0 && status.paused.outbox > 0)
    assert.equal((await queue('show', 'Ada', 'in:2')).turn, 2)
    const unsure = await cli.run(['queue', 'purge', 'Ada', '--pending'])
    assert.deepEqual([unsure.code, /--yes/.test(unsure.stderr)], [2, true])
    await queue('resume', 'Ada')
    // There is no Bo and no Cy here: both are refused, with the reason.
    await until(
      'both are dead',
      async () => (await queue('list', 'Ada', '--dead')).dead_messages.length === 2,
    )
    const { dead_messages: dead } = await queue('list', 'Ada', '--dead', '--outbox')
    assert.match(dead[0].error, /ERR_RECIPIENT/)
    const again = await queue('retry', 'Ada', `out:${dead[0].sequence}`)
    assert.equal(again.duplicate, false)
    await until(
      'it is dead again',
      async () => (await queue('list', 'Ada', '--dead')).dead_messages.length === 3,
    )
    assert.equal((await queue('purge', 'Ada', '--outbox')).messages, 3)
    assert.deepEqual((await queue('list', 'Ada')).dead_messages, [])
  }),
)

test('what waits is purged on demand, and is seen to have been', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up(['Ada'])
    await cli.json(['queue', 'pause', 'Ada', '--outbox'])
    await cli.json(['send', 'Ada', 'never mind', '--to', 'Bo'])
    const purged = await cli.json(['queue', 'purge', 'Ada', '--pending', '--yes'])
    assert.deepEqual([purged.messages, purged.under_way], [1, 0])
    const { dead_messages: dead } = await cli.json(['queue', 'list', 'Ada'])
    assert.deepEqual([dead[0].status, dead[0].error.startsWith('purged')], ['expired', true])
  }),
)

test('several agents rest and go on, and one that does not run keeps no other from it', patience, () =>
  withCommandLine(async (cli) => {
    await Promise.all([cli.up(['Ada']), cli.up(['Bo'])])
    const ended = await cli.run(['pause', 'Cy', 'Ada', 'Bo', '--json'])
    assert.equal(ended.code, 4)
    const [missing, ...paused] = JSON.parse(ended.stdout).agents
    assert.deepEqual([missing.agent, missing.code], ['Cy', 'ERR_NO_SUCH_AGENT'])
    assert.deepEqual(paused, [
      { agent: 'Ada', queues: ['inbox'], paused: true },
      { agent: 'Bo', queues: ['inbox'], paused: true },
    ])
    await cli.json(['send', 'Ada', 'hello'])
    const { inbox, paused: since } = await cli.json(['status', 'Ada'])
    assert.equal(inbox.pending > 0 && since.inbox > 0 && since.outbox === null, true)
    const { code, stdout } = await cli.run(['resume', '--all'])
    assert.deepEqual([code, stdout.match(/the inbox goes on/g)?.length], [0, 2])
    await until('it is handled', async () => (await cli.json(['status', 'Ada'])).inbox.pending === 0)
    assert.equal((await cli.json(['pause', 'Ada'])).paused, true)
  }),
)

test('mistakes are told from entries', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up(['Ada'])
    for (const [args, code, said] of [
      [['queue', 'show', 'Ada', 'seven'], 2, /in:<turn> or out:<message>/],
      [['queue', 'show', 'Ada', 'out:99'], 1, /ERR_NO_SUCH_MESSAGE|no message out:99/],
      [['queue', 'retry', 'Ada'], 2, /--all/],
      [['queue', 'retry', 'Ada', 'out:99'], 1, /not a dead letter/],
      [['queue', 'purge', 'Ada', '--pending', '--inbox', '--yes'], 2, /acknowledged/],
      [['send', 'Ada', 'x', '--priority', 'high'], 2, /--to/],
      [['send', 'Ada', 'x', '--to', 'Bo', '--priority', 'urgent'], 2, /high, normal|priority/],
    ] as const) {
      const ended = await cli.run(args)
      assert.equal(ended.code, code, `${args.join(' ')}: ${ended.stderr}`)
      assert.match(ended.stderr, said)
    }
  }),
)
