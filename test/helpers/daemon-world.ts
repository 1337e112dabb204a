import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonObject } from '../../src/json.ts'
import { until, withCommandLine, type CommandLine } from './command-line.ts'

/** A home with a daemon, driven by the command line; everything that it started is gone afterwards. */
export class DaemonWorld {
  readonly cli: CommandLine

  constructor(cli: CommandLine) {
    this.cli = cli
  }

  /** A command that must succeed. */
  async ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.cli.run(args)
    assert.equal(code, 0, `perdura ${args.join(' ')}: ${stdout}${stderr}`)
    return stdout + stderr
  }

  /** Agents without a hub, ready. */
  async start(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.ok('start', '--name', name, '--no-hub', '--port', '0')
  }

  /** An agent of these lines of code, in a file of its own. */
  agentFile(name: string, body: string): string {
    const path = join(this.cli.folder, `${name.toLowerCase()}.ts`)
    writeFileSync(
      path,
      `import { defineAgent } from 'perdura'\nexport default defineAgent({ name: '${name}', ${body} })\n`,
    )
    return path
  }

  get daemonPid(): number | undefined {
    return this.#pidIn('daemon', 'daemon.pid')
  }

  pidOf(agent: string): number | undefined {
    return this.#pidIn('agents', agent, 'agent.pid')
  }

  /** As the daemon shows it. */
  async child(name: string): Promise<JsonObject | undefined> {
    const { children } = (await this.ask('GET', '/v1/children')) as { children: JsonObject[] }
    return children.find(({ child }) => child === name)
  }

  async ask(method: 'GET' | 'POST', path: string, body?: JsonObject): Promise<JsonObject> {
    const { createNodeHttp } = await import('../../src/platform/node/http-client.ts')
    const { daemonPaths } = await import('../../src/daemon/paths.ts')
    const response = await createNodeHttp().request(
      { socketPath: daemonPaths(this.cli.home).controlSocket },
      {
        method,
        path,
        headers: { 'perdura-protocol': '1' },
        body: body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(body)),
      },
      { timeoutMs: 10_000 },
    )
    return JSON.parse(Buffer.from(response.body).toString('utf8')) as JsonObject
  }

  /** Waits until the daemon shows the child so. */
  async untilChild(name: string, what: string, done: (child: JsonObject) => boolean): Promise<JsonObject> {
    let found: JsonObject | undefined
    await until(
      `${name} ${what}`,
      async () => {
        found = await this.child(name).catch(() => undefined)
        return found !== undefined && done(found)
      },
      () => JSON.stringify(found) + this.log(),
    )
    return found as JsonObject
  }

  log(): string {
    const path = join(this.cli.home, 'daemon', 'daemon.log')
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  #pidIn(...path: readonly string[]): number | undefined {
    const file = join(this.cli.home, ...path)
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid : undefined
  }
}

export async function withDaemonWorld(use: (world: DaemonWorld) => Promise<void>): Promise<void> {
  await withCommandLine((cli) => use(new DaemonWorld(cli)))
}
