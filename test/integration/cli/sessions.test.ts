import assert from 'node:assert/strict'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hubOf, online } from '../../helpers/at-hub.ts'
import { isAlive, until, withCommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }

test('a session is listed and ended, and the next start begins another that has what waited', patience, () =>
  withCommandLine(async (cli) => {
    const { url } = await hubOf(cli)
    const up = cli.start(['up', '--name', 'Cy', '--port', '0', '--hub', url])
    await up.says(/session online/)
    const { session_identifier: first } = await cli.json(['session', 'show', 'Cy'])
    const listed = await cli.json(['session', 'list', 'Cy'])
    assert.deepEqual([listed.asked, listed.hub, listed.sessions.length], [true, url, 1])
    const [session] = listed.sessions
    assert.deepEqual([session.session_identifier, session.status, session.connected], [first, 'active', true])

    const asked = await cli.run(['session', 'end', 'Cy'])
    assert.deepEqual([asked.code, /--yes/.test(asked.stderr)], [2, true], asked.stderr)
    const ended = await cli.json(['session', 'end', 'Cy', '--yes'])
    assert.deepEqual([ended.session_identifier, ended.ended], [first, true])
    assert.equal((await up.ended).code, 78)
    assert.match(up.stderr, /ERR_SESSION_ENDED/)
    const why = await cli.json(['why', 'Cy'])
    assert.ok(
      why.explanations.some(({ text }: { text: string }) => /was ended at the hub/.test(text)),
      JSON.stringify(why),
    )

    // Nobody is there: the command asks by itself, and what comes in waits for the next session.
    assert.equal((await cli.json(['session', 'list', 'Cy'])).sessions[0].status, 'ended')
    await cli.json(['send', '--hub', url, '--as', 'zoe', '--to', 'Cy', 'remember that this waited'])
    const again = cli.start(['up', 'Cy', '--port', '0'])
    await again.says(/session online/)
    const shown = await cli.json(['session', 'show', 'Cy'])
    assert.deepEqual([shown.reason, shown.session_identifier === first], ['session_ended', false])
    await until('what waited has come', async () =>
      /this waited/.test(JSON.stringify(await cli.json(['turn', 'list', 'Cy']))),
    )
    const log = readFileSync(join(cli.home, 'agents', 'Cy', 'agent.log'), 'utf8')
    assert.match(log, /session:identifier:changed/)

    // Without a hub there is what the disk has.
    again.kill('SIGTERM')
    await again.ended
    assert.equal(
      (await cli.json(['session', 'end', 'Cy', '--yes'])).session_identifier,
      shown.session_identifier,
    )
    process.kill(cli.hubRecord().pid, 'SIGKILL')
    await until('the hub is gone', () => !isAlive(cli.hubRecord().pid))
    const offline = await cli.json(['session', 'list', 'Cy'])
    assert.deepEqual([offline.asked, offline.stored.length], [false, 1])
  }),
)

test('a handover is a restart in which nothing is lost and the session goes on', patience, () =>
  withCommandLine(async (cli) => {
    const { url } = await hubOf(cli)
    const up = cli.start(['up', '--name', 'Cy', '--port', '0', '--hub', url])
    await up.says(/session online/)
    const before = await cli.json(['session', 'show', 'Cy'])
    const { pid } = cli.record('Cy')
    const sent = Array.from({ length: 5 }, (_, n) =>
      cli.json(['send', '--hub', url, '--as', 'zoe', '--to', 'Cy', `remember that ${n} came`]),
    )
    const tooLate = await cli.run(['session', 'handover', 'Cy', '--deadline', '25d'])
    assert.equal(tooLate.code, 2)
    assert.match(tooLate.stderr, /--deadline is 1h at most, not 25d/)
    const done = await cli.json(['session', 'handover', 'Cy'])
    await Promise.all(sent)
    assert.equal(done.handed_over, true)
    assert.notEqual(done.next, pid)
    assert.equal(done.next, cli.record('Cy').pid)
    const after = await cli.json(['session', 'show', 'Cy'])
    assert.deepEqual([after.session_identifier, after.reason], [before.session_identifier, 'resumed'])
    assert.equal(after.generation, before.generation + 1)
    await until('all five were handled once', async () => {
      const turns = JSON.stringify(await cli.json(['turn', 'list', 'Cy', '--limit', '50']))
      return [0, 1, 2, 3, 4].every((n) => turns.split(`remember that ${n} came`).length === 2)
    })
    assert.doesNotMatch(up.stderr, /ended with exit code/)
    up.kill('SIGTERM')
    assert.equal((await up.ended).code, 0)
  }),
)

test('two that take over do not take the session from each other for ever', patience, () =>
  withCommandLine(async (cli) => {
    const { url } = await hubOf(cli)
    const first = cli.start(['up', '--name', 'Cy', '--port', '0', '--hub', url, '--takeover'])
    await first.says(/session online/)
    const other = join(cli.folder, 'other')
    cpSync(cli.home, other, { recursive: true, filter: (path) => !/\.(pid|sock)$/.test(path) })
    const second = cli.start(['up', 'Cy', '--port', '0', '--hub', url, '--takeover'], { home: other })
    await second.says(/session online/)
    assert.equal((await first.ended).code, 78)
    assert.match(first.stderr, /ERR_FENCED/)
    // The first is asked for once more, and the second is killed: it comes back as what it is, one that has lost.
    const third = cli.start(['up', 'Cy', '--port', '0', '--takeover'])
    await third.says(/session online/)
    assert.equal((await second.ended).code, 78)
    const { pid } = cli.record('Cy')
    process.kill(pid, 'SIGKILL')
    await until('the first is back', () => cli.record('Cy').pid !== pid && isAlive(cli.record('Cy').pid))
    await online(cli, 'Cy')
    const { generation } = await cli.json(['session', 'show', 'Cy'])
    // Three starts that took over, and one that came back by itself.
    assert.equal(generation, 4)
  }),
)

test('an agent is asked to connect anew, and shows what the way to its hub is like', patience, () =>
  withCommandLine(async (cli) => {
    const { running: hub, url } = await hubOf(cli)
    const up = cli.start(['up', '--name', 'Cy', '--port', '0', '--hub', url, '--max-reconnect', '1'])
    await up.says(/session online/)
    const before = await cli.json(['session', 'show', 'Cy'])
    await until('the way is measured', async () => {
      const { round_trip_ms: tripMs, clock_skew_ms: skewMs } = await cli.json(['session', 'show', 'Cy'])
      // One machine has one clock.
      return typeof tripMs === 'number' && tripMs > 0 && Math.abs(skewMs) < 1_000
    })
    assert.match((await cli.run(['status', 'Cy'])).stdout, /way +[\d.]+ms there and back, the hub's clock/)
    const done = await cli.json(['session', 'reconnect', 'Cy'])
    assert.deepEqual([done.online, done.state], [true, 'online'])
    const after = await cli.json(['session', 'show', 'Cy'])
    assert.deepEqual(
      [after.session_identifier, after.generation],
      [before.session_identifier, before.generation],
    )

    hub.kill('SIGTERM')
    await hub.ended
    await until('it has given up', async () => {
      const { explanations } = await cli.json(['why', 'Cy'])
      return explanations.some(({ reason }: { reason: string }) => reason === 'gave-up')
    })
    const refused = await cli.run(['session', 'reconnect', 'Cy'])
    assert.deepEqual(
      [refused.code, /Cy is (backing-off|suspended|connecting)/.test(refused.stdout)],
      [1, true],
    )
    const again = cli.start(['hub', 'run', '--port', new URL(url).port])
    await again.says(/the hub is ready/)
    await until('somebody asks', async () => (await cli.run(['session', 'reconnect', 'Cy'])).code === 0)
  }),
)

test('without a hub there is nothing to connect to', patience, () =>
  withCommandLine(async (cli) => {
    const up = cli.start(['up', '--name', 'Cy', '--port', '0', '--no-hub'])
    await up.says(/ is ready /)
    const { code, stderr } = await cli.run(['session', 'reconnect', 'Cy'])
    assert.deepEqual([code, /ERR_NO_SUCH_SESSION/.test(stderr)], [1, true], stderr)
  }),
)
