import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { judge } from '../../chaos/soak/ledger.ts'
import { Members } from '../../chaos/soak/members.ts'
import { Traffic } from '../../chaos/soak/traffic.ts'
import { until, withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import { leftoversOf } from '../../helpers/home-processes.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 240_000 }
const skip = process.platform === 'linux' ? false : 'there is no /proc'
const names = Array.from({ length: 10 }, (_, index) => `Agent${index + 1}`)
/** Those that write to each other all the while; the others only take in what comes. */
const program = join(import.meta.dirname, '..', '..', 'chaos', 'soak', 'agent.ts')

interface Seen {
  readonly pid: number | undefined
  readonly instance: string | undefined
}

test('ten agents at work notice nothing of a daemon that is killed, or replaced', { ...patience, skip }, () =>
  withCommandLine(async (cli) => {
    const members = new Members(cli.home)
    const traffic = new Traffic({
      agents: names,
      ingressOf: (name) => members.ingressOf(name),
      paceMs: 1_000,
    })
    const look = async (): Promise<Map<string, Seen>> =>
      new Map(
        await Promise.all(
          names.map(async (name) => {
            const view = await members.agent(name)
            return [name, { pid: members.pidOf(name), instance: view?.instance }] as const
          }),
        ),
      )
    try {
      await succeeds(cli, 'hub', 'start', '--port', '0')
      for (const name of names) await succeeds(cli, 'start', program, '--name', name, '--port', '0')
      await until('all are online', async () => {
        const views = await Promise.all(names.map((name) => members.agent(name)))
        return views.every((view) => view?.session === 'online')
      })
      traffic.start()
      const before = await look()
      const hub = members.pidOf('hub')

      const killed = members.pidOf('daemon')
      assert.ok(killed !== undefined)
      const more = async (): Promise<void> => {
        const wanted = traffic.handedIn + 2 * names.length
        await until('they go on', () => traffic.handedIn >= wanted)
      }
      await more()
      process.kill(killed, 'SIGKILL')
      await until('the daemon is gone', () => members.pidOf('daemon') === undefined)
      await more()
      await succeeds(cli, 'daemon', 'start')
      await listsAll(cli, before)
      assert.notEqual(members.pidOf('daemon'), killed)
      await more()

      const replaced = members.pidOf('daemon')
      await succeeds(cli, 'daemon', 'restart')
      assert.notEqual(members.pidOf('daemon'), replaced)
      await listsAll(cli, before)
      await more()
      assert.deepEqual(await look(), before)
      assert.equal(members.pidOf('hub'), hub)

      await traffic.stop()
      await until('everything is at rest', () => names.every((name) => members.unrest(name) === ''))
      await succeeds(cli, 'daemon', 'stop')
      assert.deepEqual(leftoversOf(cli.home), [])
      const ledgers = new Map(
        names.flatMap((name) => {
          const ledger = members.ledger(name)
          return ledger === undefined ? [] : [[name, ledger] as const]
        }),
      )
      const { messages, ...verdict } = judge(traffic.expected(), ledgers)
      assert.deepEqual(verdict, { lost: 0, duplicated: 0, reordered: 0, findings: [] })
      assert.ok(messages > 100, String(messages))
      assert.deepEqual(traffic.complaints, [])
    } finally {
      await traffic.abandon()
    }
  }),
)

async function succeeds(cli: CommandLine, ...args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await cli.run(args)
  assert.equal(code, 0, `perdura ${args.join(' ')}: ${stdout}${stderr}`)
}

/** The daemon knows the very processes. */
async function listsAll(cli: CommandLine, wanted: ReadonlyMap<string, Seen>): Promise<void> {
  const { agents } = await cli.json(['status'])
  for (const [name, { pid }] of wanted) {
    const shown = agents.find(({ agent }: { agent: string }) => agent === name)
    assert.equal(shown?.process.pid, pid, JSON.stringify(shown))
  }
}
