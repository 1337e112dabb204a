import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hubOf, online } from '../../helpers/at-hub.ts'
import { until, withCommandLine, type CommandLine, type Running } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 90_000 }

async function onlineAgent(cli: CommandLine, name: string, url: string): Promise<Running> {
  const running = cli.start(['run', '--name', name, '--port', '0', '--hub', url])
  await running.says(/ is ready /)
  await online(cli, name)
  return running
}

test('an operator ends the logins of an agent of a running hub, and switches it off and on', patience, () =>
  withCommandLine(async (cli) => {
    const { running: hub, url } = await hubOf(cli)
    const ada = await onlineAgent(cli, 'Ada', url)
    const before = await cli.json(['session', 'show', 'Ada'])

    // It has its key, and is back by itself, in the same session.
    const revoked = await cli.json(['hub', 'revoke', 'Ada'])
    assert.deepEqual([revoked.name, revoked.active, revoked.revoked >= 1], ['Ada', true, true])
    await until('it has lost its connection and is back', async () => {
      const { state, since } = await cli.json(['session', 'show', 'Ada'])
      return state === 'online' && since !== before.since
    })
    const after = await cli.json(['session', 'show', 'Ada'])
    assert.equal(after.session_identifier, before.session_identifier)

    const off = await cli.json(['hub', 'revoke', 'Ada', '--off'])
    assert.equal(off.active, false)
    assert.equal((await ada.ended).code, 78)
    assert.equal((await cli.json(['hub', 'agents'])).agents[0].active, false)
    const refused = cli.start(['run', '--name', 'Ada', '--port', '0', '--hub', url])
    assert.equal((await refused.ended).code, 78)

    assert.equal((await cli.json(['hub', 'allow', 'Ada'])).active, true)
    const again = await onlineAgent(cli, 'Ada', url)
    assert.equal((await cli.json(['session', 'show', 'Ada'])).session_identifier, before.session_identifier)

    const unknown = await cli.run(['hub', 'revoke', 'Nobody'])
    assert.equal(unknown.code, 1)
    assert.match(unknown.stderr, /ERR_NO_SUCH_PROFILE.*perdura hub agents/s)
    again.kill('SIGTERM')
    hub.kill('SIGTERM')
    assert.deepEqual([(await again.ended).code, (await hub.ended).code], [0, 0])
  }),
)

test('where no hub has run, there is nobody to revoke', patience, () =>
  withCommandLine(async (cli) => {
    const { code, stderr } = await cli.run(['hub', 'revoke', 'Ada'])
    assert.equal(code, 3)
    assert.match(stderr, /no hub has run/)
  }),
)

test('settings of a hub that make no sense are refused before it starts', patience, () =>
  withCommandLine(async (cli) => {
    for (const [args, message] of [
      [['--resume-rate', 'many'], /--resume-rate is a number a second/],
      [['--resume-rate', '10', '--new-rate', '20'], /admission\.newSessions\.perSecond/],
      [['--drain', '2h'], /--drain is 1h at most, not 2h/],
      [['--stale-timeout', '1ms'], /activity\.staleMs/],
    ] as const) {
      const { code, stderr } = await cli.run(['hub', 'run', '--port', '0', ...args])
      assert.equal(code, 2, stderr)
      assert.match(stderr, message)
    }
  }),
)

test('a hub that is stopped sends its agents away, and a second signal ends it at once', patience, () =>
  withCommandLine(async (cli) => {
    const { running: hub, url } = await hubOf(cli, '--drain', '1h')
    const { WebSocket } = await import('ws')
    const post = async (path: string, body: object) =>
      (await fetch(`${url}/api/v1${path}`, { method: 'POST', body: JSON.stringify(body) })).json()
    const secret = 'a secret of enough characters'
    await post('/ai/register', { name: 'Eve', ai_secret: secret })
    const { token } = (await post('/auth/login', { ai_name: 'Eve', ai_secret: secret })) as { token: string }
    // One that is told of the drain, and does not go.
    const frames: string[] = []
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/v1/connect?resume=1`, {
      headers: { authorization: `Bearer ${token}` },
    })
    socket.on('error', () => {})
    socket.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString())
      frames.push(frame.type)
      if (frame.type === 'ping') socket.send(JSON.stringify({ type: 'pong' }))
      if (frame.type !== 'connected') return
      const credit = { messages: 1, bytes: 1 }
      socket.send(JSON.stringify({ type: 'resume', instance: 'i', generation: 0, claim: 'c', credit }))
    })
    await until('it is in', () => frames.includes('ready'))
    hub.kill('SIGTERM')
    await until('it is told', () => frames.includes('drain'))
    // What comes within half a second is taken for an echo of the first.
    let code: number | null | undefined
    void hub.ended.then((end) => (code = end.code))
    await until('a second signal has ended it', () => {
      if (code === undefined) hub.kill('SIGTERM')
      return code !== undefined
    })
    assert.equal(code, 1)
    socket.terminate()
  }),
)
