import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAlive, until, withCommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 60_000 }

test('remembers what it was told, after every process was killed and a new start', patience, () =>
  withCommandLine(async (cli) => {
    const first = await cli.up()
    const told = await cli.run(['send', 'Ada', 'remember that the key is under the mat', '--wait'])
    assert.equal(told.code, 0, told.stderr)
    const { pid } = cli.record()
    first.kill('SIGKILL')
    process.kill(pid, 'SIGKILL')
    await until('both are gone', () => !isAlive(pid))
    await first.ended

    const status = await cli.run(['status', 'Ada', '--json'])
    assert.equal(status.code, 3)
    assert.equal(JSON.parse(status.stdout).process.state, 'killed')

    await cli.up()
    const asked = await cli.run(['send', 'Ada', 'where is the key?', '--wait'])
    assert.equal(asked.code, 0, asked.stderr)
    assert.match(asked.stdout, /under the mat/)
  }),
)

test('a message that is sent while the agent is dead is taken once it is back', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.up()
    for (let kill = 1; kill <= 3; kill++) {
      process.kill(cli.record().pid, 'SIGKILL')
      const sent = await cli.run([
        'send',
        'Ada',
        `remember that kill ${kill} was survived`,
        '--wait',
        '--json',
      ])
      assert.equal(sent.code, 0, sent.stderr)
      assert.equal(JSON.parse(sent.stdout).duplicate, false)
    }
    await up.says(/is ready again after \d+ ms/, 3)
    const { inbox } = await cli.json(['status', 'Ada'])
    assert.equal(inbox.parked + inbox.dead, 0)
    const turns: { kind: string; text: string }[] = (
      await cli.json(['turn', 'list', 'Ada', '--limit', '100'])
    ).turns
    assert.equal(turns.filter(({ kind }) => kind === 'message').length, 3)
  }),
)

test('the same id is the same message, and is answered again', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up()
    const send = ['send', 'Ada', 'remember that the tea is cold', '--id', 'tea-1', '--wait']
    const first = await cli.json(send)
    const second = await cli.json(send)
    assert.deepEqual([first.duplicate, second.duplicate], [false, true])
    assert.equal(second.position, first.position)
    assert.deepEqual(second.replies, first.replies)
    const reused = await cli.run(['send', 'Ada', 'something else', '--id', 'tea-1', '--json'])
    assert.equal(reused.code, 1)
    assert.equal(JSON.parse(reused.stdout).code, 'ERR_IDEMPOTENCY_KEY_REUSED')
  }),
)

test('a reminder that was set before a kill comes once, after it', patience, () =>
  withCommandLine(async (cli) => {
    const first = await cli.up()
    const set = await cli.run(['send', 'Ada', 'remind me in 1s to drink water', '--wait'])
    assert.equal(set.code, 0, set.stderr)
    const { pid } = cli.record()
    first.kill('SIGKILL')
    process.kill(pid, 'SIGKILL')
    await first.ended
    await new Promise((resolve) => setTimeout(resolve, 1_200))

    const second = await cli.up()
    await second.says(/drink water/)
    process.kill(cli.record().pid, 'SIGKILL')
    await second.says(/is ready again/)
    const { received } = await cli.json(['chat', 'Ada'])
    assert.equal(received.filter(({ text }: { text: string }) => /drink water/.test(text)).length, 1)
    assert.deepEqual((await cli.json(['chat', 'Ada'])).received, [])
  }),
)

test('an agent whose supervisor is killed stops by itself, and a new start takes over', patience, () =>
  withCommandLine(async (cli) => {
    const first = await cli.up()
    const { pid } = cli.record()
    first.kill('SIGKILL')
    const second = await cli.up()
    assert.notEqual(cli.record().pid, pid)
    await until('the one before is gone', () => !isAlive(pid))
    second.kill('SIGTERM')
    const { code, stdout } = await second.ended
    assert.equal(code, 0)
    assert.doesNotMatch(stdout, /last process was killed/)
  }),
)

test('every signal to stop ends both processes, cleanly', patience, () =>
  withCommandLine(async (cli) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) {
      const up = await cli.up()
      const { pid } = cli.record()
      up.kill(signal)
      const { code } = await up.ended
      assert.equal(code, 0, signal)
      assert.equal(isAlive(pid), false, signal)
      assert.equal((await cli.run(['why', 'Ada'])).stdout.split('\n')[0], 'Ada is not running')
    }
  }),
)

test('stop ends the agent and what keeps it running, and is fine with one that does not run', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.up()
    const stopped = await cli.json(['stop', 'Ada'])
    assert.deepEqual(stopped, { agent: 'Ada', stopped: true, was_running: true })
    assert.equal((await up.ended).code, 0)
    assert.equal((await cli.json(['stop', 'Ada'])).was_running, false)
  }),
)

test(
  'run alone says what the agent says on standard output, and everything else on standard error',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const run = cli.start(['run', '--name', 'Ada', '--port', '0'])
      await run.says(/Ada is ready/)
      await cli.json(['send', 'Ada', 'remember that run works alone', '--wait'])
      await until('it is said', () => run.stdout.includes('run works alone'))
      assert.match(run.stderr, /webhooks: +POST http:\/\/127\.0\.0\.1:\d+\/agents\/Ada\/inbox/)
      assert.doesNotMatch(run.stdout, /ready|webhooks/)
      run.kill('SIGINT')
      const { code, stderr } = await run.ended
      assert.equal(code, 0)
      assert.match(stderr, /Ada stopped in/)
      const stages: { event: string; stage?: string }[] = (await cli.json(['logs', 'Ada'])).lines
      assert.deepEqual(
        stages.filter(({ event }) => event === 'agent:stop:stage').map(({ stage }) => stage),
        ['ingress', 'turns', 'outbox', 'hub', 'state', 'agent', 'control'],
      )
    }),
)
