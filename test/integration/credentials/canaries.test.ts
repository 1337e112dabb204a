import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { unseal } from '../../../src/credentials/sealed-file.ts'
import { createNodeHttp } from '../../../src/platform/node/http-client.ts'
import { createNodeKeyChest } from '../../../src/platform/node/key-chest.ts'
import { AgentProcess } from '../../helpers/agent-process.ts'
import { until, withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import { credentialsPath, logTo } from '../../helpers/token-world.ts'
import '../../helpers/leaks.ts'

/** What must be nowhere, by what it is. A token counts by its signature: the rest of it is no secret. */
class Canaries {
  readonly #texts = new Map<string, string>()

  plant(what: string, text: string): void {
    assert.ok(text.length >= 12, `${what} is too short to be looked for`)
    this.#texts.set(text, what)
  }

  /** In each way in which somebody may have written the bytes. */
  plantBytes(what: string, bytes: Buffer): void {
    for (const encoding of ['hex', 'base64url', 'base64'] as const) this.plant(what, bytes.toString(encoding))
  }

  get size(): number {
    return this.#texts.size
  }

  /** Which of them stand in it. */
  foundIn(content: Buffer | string): string[] {
    const text = typeof content === 'string' ? content : content.toString('latin1')
    return [...this.#texts].filter(([canary]) => text.includes(canary)).map(([, what]) => what)
  }
}

const password = 'canary-password-in-a-url-91f2'
const ingress = 'canary-ingress-token-7c3d'

test(
  'no secret is in a log, a file but its own, an argument or message of a process, an output, or an answer',
  { timeout: 180_000 },
  () =>
    withCommandLine(async (cli) => {
      const canaries = new Canaries()
      canaries.plant('the password of a URL', password)
      canaries.plant('the token of the ingress', ingress)
      const said: Record<string, string> = {}
      const run = async (name: string, args: readonly string[]): Promise<string> => {
        const { stdout, stderr } = await cli.run(args, { environment: { PERDURA_INGRESS_TOKEN: ingress } })
        said[name] = stdout + stderr
        return stdout
      }

      const hub = cli.start(['hub', 'run', '--port', '0'])
      await hub.says(/the hub is ready/)
      const url = `http://127.0.0.1:${cli.hubRecord().addresses[0]?.port}`
      // Crashes as soon as it is told to, by an error that nobody handles; once, also where the turn is done again.
      const file = join(cli.folder, 'ada.mjs')
      writeFileSync(
        file,
        `import { existsSync, writeFileSync } from 'node:fs'
import { defineAgent } from 'perdura'
const crashed = ${JSON.stringify(join(cli.folder, 'crashed'))}
export default defineAgent({ name: 'Ada', onMessage(message) {
  if (message.text !== 'crash' || existsSync(crashed)) return
  writeFileSync(crashed, '')
  setTimeout(() => { throw new Error('a bug') }, 1)
} })`,
      )
      const agent = cli.start(['up', file, '--hub', url, '--port', '0'], {
        environment: { PERDURA_INGRESS_TOKEN: ingress },
      })
      await agent.says(/session online/)
      plantOf(cli, canaries, 'Ada')

      await run('refresh', ['token', 'refresh', 'Ada'])
      plantOf(cli, canaries, 'Ada')
      await run('rotate', ['token', 'rotate', 'Ada', '--json'])
      plantOf(cli, canaries, 'Ada')
      // A token in a query, as v1 clients have it, that is good, and one that is not.
      for (const token of [tokensOf(cli, 'Ada').access, 'canary-token-in-a-query-55aa.b.c']) {
        await socketWith(`${url.replace('http', 'ws')}/ws/v1/connect?token=${token}`)
      }
      canaries.plant('a token in a query', 'canary-token-in-a-query-55aa')
      await run('person', ['send', 'hello', '--hub', url, '--to', 'Ada', '--as', 'Hugo'])
      plantOf(cli, canaries, 'Hugo', join(cli.home, 'people', 'Hugo', 'credentials'))
      for (const words of [
        ['run', '--name', 'Eve', '--hub', `http://eve:${password}@127.0.0.1:1`],
        ['send', 'x', '--to', 'Ada', '--hub', `http://eve:${password}@127.0.0.1:1`],
      ]) {
        await run(`url of ${words[0]}`, [...words, '--json'])
      }
      // As everybody on this machine can see them, while all of it runs.
      for (const [pid, line] of commandLines(cli.home)) said[`arguments of process ${pid}`] = line

      await run('crash', ['send', 'Ada', 'crash'])
      await agent.says(/is ready again/)
      await until(
        'it is online again',
        async () => (await cli.json(['session', 'show', 'Ada'])).state === 'online',
      )
      plantOf(cli, canaries, 'Ada')
      for (const path of ['/v1/process', '/v1/token', '/v1/sessions']) {
        const socketPath = (
          JSON.parse(readFileSync(join(cli.home, 'agents', 'Ada', 'agent.pid'), 'utf8')) as {
            controlSocket: string
          }
        ).controlSocket
        const { body } = await createNodeHttp().request(
          { socketPath },
          { method: 'GET', path, headers: {}, body: new Uint8Array() },
          { timeoutMs: 10_000 },
        )
        said[`control ${path}`] = Buffer.from(body).toString()
      }
      for (const words of [
        ['status'],
        ['status', 'Ada'],
        ['why', 'Ada'],
        ['logs', 'Ada', '--lines', '500'],
        ['session', 'show', 'Ada'],
        ['session', 'list', 'Ada'],
        ['token', 'status', 'Ada'],
        ['queue', 'list', 'Ada'],
        ['hub', 'status'],
        ['hub', 'agents'],
      ]) {
        await run(words.join(' '), [...words, '--json'])
        await run(`${words.join(' ')} for people`, words)
      }
      said['messages of a process to its supervisor'] = JSON.stringify(await messagesOf(cli, canaries, url))
      // A token that was stolen, and a hub that is gone.
      hub.kill('SIGKILL')
      await hub.ended
      await run('refresh without a hub', ['token', 'refresh', 'Ada', '--json', '--timeout', '15s'])
      agent.kill('SIGTERM')
      await agent.ended
      said['agent'] = agent.stdout + agent.stderr
      said['hub'] = hub.stdout + hub.stderr

      assert.ok(canaries.size >= 20, `only ${canaries.size} are planted`)
      // The scanner finds what is there.
      const [key] = readdirSync(join(cli.home, 'hub', 'keys'))
      const controls = [join(cli.home, 'credentials.key'), join(cli.home, 'hub', 'keys', key ?? '')]
      assert.deepEqual(
        controls.map((path) => canaries.foundIn(readFileSync(path))),
        [['the storage key'], ['a key of the hub']],
      )
      const found = Object.entries(said).flatMap(([where, text]) =>
        canaries.foundIn(text).map((what) => `${what} in ${where}`),
      )
      assert.deepEqual(found, [])
      const files = filesBelow(cli.home)
      assert.ok(
        files.some((path) => path.endsWith('agent.log')) && files.some((path) => path.endsWith('hub.db')),
      )
      const kept = files
        .map((path) => relative(cli.home, path))
        .filter((path) => !isForSecrets(path))
        .flatMap((path) =>
          canaries.foundIn(readFileSync(join(cli.home, path))).map((what) => `${what} in ${path}`),
        )
      assert.deepEqual(kept, [])
      // And where they may be, they are sealed, but for the keys themselves.
      const sealed = files.filter((path) => path.endsWith('/credentials'))
      assert.ok(sealed.length >= 2)
      for (const path of sealed) assert.deepEqual(canaries.foundIn(readFileSync(path)), [], path)
      for (const path of files.filter((one) => isForSecrets(relative(cli.home, one)))) {
        assert.equal(statSync(path).mode & 0o077, 0, path)
      }
    }),
)

/** All that a process tells whoever has started it, from its start through a crash. */
async function messagesOf(cli: CommandLine, canaries: Canaries, url: string): Promise<unknown[]> {
  const target = join(cli.folder, 'dee.mjs')
  writeFileSync(
    target,
    `import { defineAgent } from 'perdura'
export default defineAgent({ name: 'Dee', onMessage() { setTimeout(() => { throw new Error('a bug') }, 1) } })`,
  )
  const messages: unknown[] = []
  const dee = new AgentProcess({
    target,
    home: cli.home,
    environment: { PERDURA_KEYCHAIN: 'off', PERDURA_HUB: url, PERDURA_INGRESS_TOKEN: ingress },
    onMessage: (message) => messages.push(message),
  })
  await dee.ready
  await until('it is online', async () => (await cli.json(['session', 'show', 'Dee'])).state === 'online')
  plantOf(cli, canaries, 'Dee')
  await cli.run(['send', 'Dee', 'crash'])
  await dee.ended
  assert.ok(messages.length >= 2, 'it has told something')
  return messages
}

/** What holds nothing but keys. */
function isForSecrets(path: string): boolean {
  return path === 'credentials.key' || path.startsWith('hub/keys/')
}

function contentOf(cli: CommandLine, name: string, path = credentialsPath(cli.home, name)) {
  const chest = createNodeKeyChest(cli.home, logTo([]), { PERDURA_KEYCHAIN: 'off' })
  return unseal(readFileSync(path), path, chest).content
}

function tokensOf(cli: CommandLine, name: string, path?: string): { access: string; refresh: string } {
  const login = Object.values(contentOf(cli, name, path).hubs)[0]?.login
  return { access: login?.access?.token ?? '', refresh: login?.refresh_token ?? '' }
}

/** The keys, tokens and notes that somebody has now. */
function plantOf(cli: CommandLine, canaries: Canaries, name: string, path?: string): void {
  const { old_seeds: older, seed } = contentOf(cli, name, path)
  for (const text of [seed, ...older])
    canaries.plantBytes(`the key of ${name}`, Buffer.from(text, 'base64url'))
  const { access, refresh } = tokensOf(cli, name, path)
  canaries.plant(`an access token of ${name}`, access.split('.')[2] ?? '')
  canaries.plant(`a refresh token of ${name}`, refresh.split('.')[2] ?? '')
  canaries.plantBytes(
    'the storage key',
    Buffer.from(readFileSync(join(cli.home, 'credentials.key'), 'utf8').trim(), 'hex'),
  )
  for (const file of readdirSync(join(cli.home, 'hub', 'keys'))) {
    const { secret } = JSON.parse(readFileSync(join(cli.home, 'hub', 'keys', file), 'utf8')) as {
      secret: string
    }
    canaries.plantBytes('a key of the hub', Buffer.from(secret, 'base64url'))
  }
}

async function socketWith(url: string): Promise<void> {
  const socket = new WebSocket(url)
  await new Promise<void>((resolve) => {
    socket.addEventListener('message', () => socket.close())
    socket.addEventListener('close', () => resolve())
  })
}

/** Of all processes that have to do with this home, where the system tells. */
function commandLines(home: string): [pid: string, line: string][] {
  if (!existsSync('/proc/self/cmdline')) return []
  const lines = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid): [string, string][] => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'latin1')
        return environment.includes(home) ? [[pid, readFileSync(`/proc/${pid}/cmdline`, 'latin1')]] : []
      } catch {
        return []
      }
    })
  assert.ok(lines.length >= 3, 'hub, supervisor and agent are seen')
  return lines
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
}
