import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { hubOf, online, stateOf } from '../../helpers/at-hub.ts'
import {
  isAlive,
  until,
  withCommandLine,
  type CommandLine,
  type Running,
} from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 90_000 }

async function runAgent(cli: CommandLine, name: string, ...args: string[]): Promise<Running> {
  const running = cli.start(['run', '--name', name, '--port', '0', ...args])
  await running.says(/ is ready /)
  return running
}

async function stop(running: Running, code = 0): Promise<void> {
  running.kill('SIGTERM')
  assert.equal((await running.ended).code, code)
}

test('up brings a hub and two agents that talk; each is killed in turn, and nothing is lost', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.upWithHub()
    const before = await cli.json(['session', 'show', 'Ada'])
    const victims = {
      hub: () => cli.hubRecord().pid,
      Ada: () => cli.record('Ada').pid,
      Bo: () => cli.record('Bo').pid,
    }
    for (const [name, pid] of Object.entries(victims)) {
      const killed = pid()
      process.kill(killed, 'SIGKILL')
      await cli.json(['send', 'Ada', `ask Bo to remember that ${name} was killed`, '--wait'])
      await until(`the answer about ${name} is back`, () =>
        up.stdout.includes(`you: Bo says: I will remember: ${name} was killed`),
      )
      await until(`${name} is another process`, () => pid() !== killed && isAlive(pid()))
    }
    await up.says(/is ready again after \d+ ms/, 3)
    const { replies } = await cli.json(['send', 'Bo', 'list notes', '--wait'])
    assert.equal(replies[0].text.match(/was killed/g).length, 3, replies[0].text)

    const after = await cli.json(['session', 'show', 'Ada'])
    assert.equal(after.session_identifier, before.session_identifier)
    assert.ok(after.generation > before.generation)
    for (const agent of ['Ada', 'Bo']) {
      const { inbox, outbox } = await cli.json(['status', agent])
      assert.deepEqual([inbox.pending, inbox.dead, outbox.refused], [0, 0, 0], agent)
    }
    await stop(up)
    assert.deepEqual(
      [...new Set(up.stderr.match(/\w+ is stopped; kills \d+/g))],
      ['hub is stopped; kills 1', 'Ada is stopped; kills 1', 'Bo is stopped; kills 1'],
    )
  }),
)

const program = fileURLToPath(new URL('../../../bin/perdura.mjs', import.meta.url))
const noTerminal =
  spawnSync('script', ['--version']).status === 0 ? false : 'needs the program script, for a terminal'

test(
  'at a terminal each process has its line and its key, and comes back',
  { ...patience, skip: noTerminal },
  () =>
    withCommandLine(async (cli) => {
      await cli.placeHub()
      const command = `stty cols 120 rows 30; "${process.execPath}" "${program}" up --port 0`
      const child = spawn('script', ['-qefc', command, join(cli.folder, 'typescript')], {
        env: { ...process.env, PERDURA_HOME: cli.home, TERM: 'xterm' },
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      let shown = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text))
      // oxlint-disable-next-line eslint/no-control-regex -- what moves the cursor
      const plain = (text: string): string => text.replaceAll(/\u001B\[[\d;?]*[A-Za-z]/g, '')
      const frame = (): string => plain(shown.split('\u001B[?2026h').at(-2) ?? '')
      const line = (name: string): string =>
        new RegExp(`^.*\\b${name} .*(running|starting|died).*$`, 'm').exec(frame())?.[0] ?? ''
      await until(
        'all are there',
        () => /Ada +running .*online/.test(line('Ada')) && /Bo +running .*online/.test(line('Bo')),
        frame,
      )
      for (const [key, name] of [
        ['h', 'hub'],
        ['1', 'Ada'],
        ['2', 'Bo'],
      ] as const) {
        child.stdin.write(key)
        await until(`${name} is back`, () => / 1 +1 +\d+ ms/.test(line(name)), frame)
      }
      await until(
        'both are online again',
        () => /online/.test(line('Ada')) && /online/.test(line('Bo')),
        frame,
      )
      const ended = once(child, 'exit')
      child.stdin.write('q')
      assert.equal((await ended)[0], 0, plain(shown).slice(-2_000))
      child.stdin.destroy()
    }),
)

test('up goes to another hub, and starts none', patience, () =>
  withCommandLine(async (cli) => {
    const other = join(cli.folder, 'other')
    const hub = cli.start(['hub', 'run', '--port', '0'], { home: other })
    await hub.says(/the hub is ready/)
    const [url = ''] = /http:\/\/[\d.:]+/.exec(hub.stderr) ?? []
    const up = cli.start(['up', '--port', '0', '--hub', url])
    await up.says(/Ada .*session online/)
    assert.equal((await cli.json(['session', 'show', 'Ada'])).hub, url)
    assert.equal((await cli.run(['hub', 'status'])).code, 3)
    await stop(up)
    await stop(hub)
  }),
)

test('the greeting at the start ends by itself: two agents fall silent', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.upWithHub()
    await up.says(/Ada .*← Bo: I keep 0 notes/)
    const turns = async (): Promise<number> =>
      (await cli.json(['status', 'Ada'])).inbox.done + (await cli.json(['status', 'Bo'])).inbox.done
    await until('both have nothing to do', async () => {
      const { outbox, inbox } = await cli.json(['status', 'Ada'])
      return outbox.pending + inbox.pending + inbox.running === 0
    })
    const then = await turns()
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    assert.equal(await turns(), then)
    await stop(up)
  }),
)

test('stop ends one agent of several; without any left the hub stops too', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.upWithHub()
    await cli.json(['stop', 'Bo'])
    assert.equal((await cli.run(['status', 'Bo'])).code, 3)
    assert.equal((await cli.run(['status', 'Ada'])).code, 0)
    await cli.json(['stop', 'Ada'])
    assert.equal((await up.ended).code, 0)
    assert.equal((await cli.run(['hub', 'status', '--json'])).code, 3)
  }),
)

test('after every process was killed, a new up has the same hub and the same sessions', patience, () =>
  withCommandLine(async (cli) => {
    const first = await cli.upWithHub()
    const { url } = await cli.json(['hub', 'status'])
    const { session_identifier: identifier } = await cli.json(['session', 'show', 'Bo'])
    const pids = [cli.hubRecord().pid, cli.record('Ada').pid, cli.record('Bo').pid]
    first.kill('SIGKILL')
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await first.ended
    const second = await cli.upWithHub()
    assert.equal((await cli.json(['hub', 'status'])).url, url)
    assert.equal((await cli.json(['session', 'show', 'Bo'])).session_identifier, identifier)
    await stop(second)
  }),
)

test('a hub that finds its ports taken takes others, and its agents their sessions along', patience, () =>
  withCommandLine(async (cli) => {
    const first = await cli.upWithHub()
    const before = await cli.json(['session', 'show', 'Ada'])
    const { port = 0 } = cli.hubRecord().addresses[0] ?? {}
    await stop(first)
    const squatter = createServer().listen(port, '127.0.0.1')
    await new Promise((resolve) => squatter.once('listening', resolve))
    try {
      const second = await cli.upWithHub()
      await second.says(/is in use by another program: the hub takes another one/)
      const after = await cli.json(['session', 'show', 'Ada'])
      assert.notEqual(after.hub, before.hub)
      assert.equal(after.session_identifier, before.session_identifier)
      await stop(second)
    } finally {
      await new Promise((resolve) => squatter.close(resolve))
    }
  }),
)

test('hub run says what is wrong with how it was started', patience, () =>
  withCommandLine(async (cli) => {
    const codeOf = async (...args: string[]): Promise<[number | null, string]> => {
      const { code, stdout } = await cli.run(['hub', 'run', ...args, '--json'])
      return [code, JSON.parse(stdout).code]
    }
    assert.deepEqual(await codeOf('--port', 'x'), [2, 'ERR_USAGE'])
    assert.deepEqual(await codeOf('--port', '70000'), [2, 'ERR_USAGE'])
    assert.deepEqual(await codeOf('--host', ''), [2, 'ERR_USAGE'])
    assert.deepEqual(await codeOf('--open-login', '--host', '0.0.0.0', '--port', '0'), [2, 'ERR_USAGE'])
    const { running, url } = await hubOf(cli)
    assert.deepEqual(await codeOf('--port', '0'), [78, 'ERR_HOME_IN_USE'])
    const other = join(cli.folder, 'other')
    const taken = await cli.run(['hub', 'run', '--port', new URL(url).port], { home: other })
    assert.equal(taken.code, 78)
    assert.match(taken.stderr, /ERR_PORT_IN_USE: port \d+ is in use .* --port 0/)
    await stop(running)
  }),
)

test('a session can be looked at without a hub, online, waiting, killed and stopped', patience, () =>
  withCommandLine(async (cli) => {
    const alone = await runAgent(cli, 'Ada')
    assert.equal((await cli.json(['session', 'show', 'Ada'])).hub, null)
    assert.match((await cli.run(['session', 'show', 'Ada'])).stdout, /runs without a hub/)
    await stop(alone)
    assert.match((await cli.run(['session', 'show', 'Ada'])).stdout, /has been at no hub/)

    const { running: hub, url } = await hubOf(cli)
    const ada = await runAgent(cli, 'Ada', '--hub', url)
    await online(cli, 'Ada')
    assert.match((await cli.run(['status'])).stdout, /^Ada +running .* online /m)
    const shown = await cli.json(['session', 'show', 'Ada'])
    assert.deepEqual([shown.hub, shown.generation, shown.sent.pending], [url, 1, 0])
    assert.match(shown.session_identifier, /^[0-9a-f]{7}$/)
    await until('the hub says so', async () => (await cli.json(['hub', 'status'])).connected === 1)
    assert.equal((await cli.json(['hub', 'agents'])).agents[0].session, shown.session_identifier)

    await stop(hub)
    await until('it waits', async () => (await stateOf(cli, 'Ada')) === 'backing-off')
    await cli.json(['send', 'Ada', 'hello', '--to', 'Bo'])
    const why = (await cli.run(['why', 'Ada'])).stdout
    assert.match(why, /has not been connected to the hub .* for /)
    assert.match(why, /1 message for Bo waits in the outbox until there is a connection/)
    // Without a connection it has no number: something urgent may come yet.
    const [waiting] = (await cli.json(['queue', 'list', 'Ada'])).outbox
    assert.deepEqual([waiting.to, waiting.seq], ['Bo', null])

    process.kill(cli.record().pid, 'SIGKILL')
    await ada.ended
    assert.equal(await stateOf(cli, 'Ada'), 'offline')
    const again = await runAgent(cli, 'Ada')
    // The launch record knows the hub.
    assert.equal((await cli.json(['session', 'show', 'Ada'])).hub, url)
    await stop(again)
    assert.equal(await stateOf(cli, 'Ada'), 'offline')
  }),
)

test('a message of one agent to another is delivered, or refused with the reason', patience, () =>
  withCommandLine(async (cli) => {
    const { url } = await hubOf(cli)
    await runAgent(cli, 'Ada', '--hub', url)
    const bo = await runAgent(cli, 'Bo', '--hub', url)
    await online(cli, 'Ada')
    await online(cli, 'Bo')
    const send = ['send', 'Ada', 'remember that it rains', '--to', 'Bo', '--id', 'rain-1', '--wait']
    const first = await cli.json(send)
    assert.deepEqual([first.status, first.duplicate], ['delivered', false])
    const second = await cli.json(send)
    assert.deepEqual([second.sequence, second.duplicate], [first.sequence, true])
    await until('Bo has it', async () => (await cli.json(['status', 'Bo'])).notes === 1)

    const reused = await cli.run(['send', 'Ada', 'something else', '--to', 'Bo', '--id', 'rain-1', '--json'])
    assert.equal(JSON.parse(reused.stdout).code, 'ERR_IDEMPOTENCY_KEY_REUSED')
    const refused = await cli.run(['send', 'Ada', 'hello', '--to', 'Nobody', '--wait', '--json'])
    assert.equal(refused.code, 1)
    assert.equal(JSON.parse(refused.stdout).code, 'ERR_RECIPIENT')
    assert.match((await cli.run(['why', 'Ada'])).stdout, /"hello" for Nobody was refused: ERR_RECIPIENT/)
    const { position } = await cli.json(['send', 'Ada', 'ask Bo where it rains', '--wait'])
    await until('the hub has it', async () =>
      /the hub has it on disk/.test((await cli.run(['why', 'Ada', '--turn', String(position)])).stdout),
    )
    await stop(bo)
    await cli.json(['send', 'Ada', 'still there?', '--to', 'Bo', '--wait'])
    await until('it waits at the hub', async () => {
      const { waiting } = await cli.json(['hub', 'status'])
      return waiting.some(
        ({ name, waiting: count }: { name: string; waiting: number }) => name === 'Bo' && count === 1,
      )
    })
  }),
)

test('a person talks with an agent through the hub, under a name of their own', patience, () =>
  withCommandLine(async (cli) => {
    const { url } = await hubOf(cli)
    await runAgent(cli, 'Ada', '--hub', url)
    await online(cli, 'Ada')
    const person = ['--hub', url, '--as', 'Hugo']
    const sent = await cli.json(['send', 'remember that it rains', '--to', 'Ada', ...person, '--wait'])
    assert.deepEqual(
      sent.replies.map(({ text }: { text: string }) => text),
      ['I will remember: it rains'],
    )
    const chat = await cli.run(['chat', 'Ada', ...person, '--json'], { input: 'recall rain\n' })
    assert.deepEqual(JSON.parse(chat.stdout).received, ['It rains.'])
    assert.deepEqual((await cli.json(['chat', 'Ada', ...person])).received, [])
    const unknown = await cli.run(['send', 'hello', '--to', 'Nobody', ...person, '--json'])
    assert.equal(JSON.parse(unknown.stdout).code, 'ERR_RECIPIENT')
    const { agents } = await cli.json(['hub', 'agents'])
    assert.deepEqual(
      agents.map(({ name }: { name: string }) => name),
      ['Ada', 'Hugo'],
    )
    assert.equal((await cli.run(['send', 'hello', '--hub', url])).code, 2)
    assert.equal((await cli.run(['send', 'Ada', 'hello', '--as', 'Hugo'])).code, 2)
  }),
)

test('of a copied home, the second process waits, and one that takes over ends the first', patience, () =>
  withCommandLine(async (cli) => {
    const { url } = await hubOf(cli)
    const seed = await runAgent(cli, 'Ada', '--hub', url)
    await online(cli, 'Ada')
    await stop(seed)
    const copy = join(cli.folder, 'copy')
    cpSync(join(cli.home, 'agents'), join(copy, 'agents'), { recursive: true })
    // Without it the credentials of the copy cannot be opened.
    cpSync(join(cli.home, 'credentials.key'), join(copy, 'credentials.key'))
    const first = await runAgent(cli, 'Ada', '--hub', url)
    await online(cli, 'Ada')

    const args = ['run', '--name', 'Ada', '--port', '0', '--hub', url]
    const second = cli.start(args, { home: copy })
    await second.says(/ is ready /)
    await until('it explains itself', async () => {
      const { stdout } = await cli.run(['why', 'Ada'], { home: copy })
      return /another process of it is|hub has ended the session|would not have/.test(stdout)
    })
    second.kill('SIGTERM')
    await second.ended

    const third = cli.start([...args, '--takeover'], { home: copy })
    const { code, stderr } = await first.ended
    assert.equal(code, 78, stderr)
    assert.match(stderr, /ERR_FENCED/)
    assert.equal(await stateOf(cli, 'Ada'), 'ended')
    assert.match((await cli.run(['why', 'Ada'])).stdout, /would not have the last process of Ada/)
    third.kill('SIGTERM')
    await third.ended
  }),
)

test('two wishes about the hub that contradict each other are refused', patience, () =>
  withCommandLine(async (cli) => {
    for (const wrong of [
      ['run', '--name', 'Ada', '--hub', 'http://127.0.0.1:1', '--no-hub'],
      ['run', '--name', 'Ada', '--takeover'],
      ['run', '--name', 'Ada', '--hub', 'nonsense'],
      ['up', 'Ada', '--hub', 'http://127.0.0.1:1/path'],
    ]) {
      const { code, stdout } = await cli.run([...wrong, '--json'])
      assert.equal(code, 2, stdout)
      assert.equal(JSON.parse(stdout).code, 'ERR_USAGE')
    }
  }),
)
