import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type CommandLine, until, withCommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 60_000 }
const program = fileURLToPath(new URL('../../../bin/perdura.mjs', import.meta.url))
const helped =
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false
const atTerminal = {
  ...patience,
  skip: helped ? false : 'needs the script command of util-linux for a terminal',
}

test('without a terminal each look is a table, or a document in a line', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up()
    const tables = await cli.run(['top', '-n', '2', '--interval', '200ms'])
    assert.equal(tables.code, 0, tables.stderr)
    assert.equal(tables.stdout.match(/^name +state/gm)?.length, 2)
    assert.match(tables.stdout, /turns\/s/)
    const { stdout } = await cli.run(['top', 'Ada', '-n', '2', '--interval', '200ms', '--json'])
    const [first, second] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.equal(first.agents[0].state, 'running')
    assert.equal(first.rates[0].turns_per_second, null)
    assert.equal(typeof second.rates[0].turns_per_second, 'number')
    assert.equal((await cli.run(['top', 'Nobody'])).code, 4)
    assert.equal((await cli.run(['top', '--interval', '1ms'])).code, 2)
    assert.equal((await cli.run(['top', '--sort', 'luck'])).code, 2)
  }),
)

for (const [how, end] of [
  ['q', (top: Top) => top.type('q')],
  ['Ctrl-C', (top: Top) => top.type('\u0003')],
  ['SIGTERM', (top: Top) => top.signal('SIGTERM')],
] as const) {
  test(
    `at a terminal it is shown in place, sorted by a key, and ${how} leaves the terminal as it was`,
    atTerminal,
    () =>
      withCommandLine(async (cli) => {
        await cli.up()
        const top = new Top(cli)
        await until(
          'it is shown',
          () => /Ada +running/.test(top.plain),
          () => top.plain,
        )
        top.type('s')
        await until(
          'it is sorted by another figure',
          () => top.plain.includes('by cpu'),
          () => top.plain,
        )
        end(top)
        assert.equal(await top.ended, 0, top.plain)
        assert.ok(top.screen.lastIndexOf('\u001B[?1049l') > top.screen.lastIndexOf('\u001B[?1049h'))
        assert.ok(top.screen.lastIndexOf('\u001B[?25h') > top.screen.lastIndexOf('\u001B[?25l'))
      }),
  )
}

/** `top` at a terminal of its own. */
class Top {
  screen = ''
  readonly ended: Promise<number | null>
  readonly #script: ReturnType<typeof spawn>

  constructor(cli: CommandLine) {
    // The shell says which process it becomes.
    const command = `sh -c 'echo pid=$$=; exec "${process.execPath}" "${program}" top --interval 200ms'`
    this.#script = spawn('script', ['-qefc', command, '/dev/null'], {
      env: { ...process.env, PERDURA_HOME: cli.home, TERM: 'xterm' },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#script.stdout?.setEncoding('utf8').on('data', (text: string) => (this.screen += text))
    this.ended = once(this.#script, 'exit').then(([code]) => code as number | null)
  }

  get plain(): string {
    // oxlint-disable-next-line eslint/no-control-regex -- what moves the cursor
    return this.screen.replaceAll(/\u001B\[[\d;?]*[A-Za-z]/g, '')
  }

  type(key: string): void {
    this.#script.stdin?.write(key)
  }

  signal(name: NodeJS.Signals): void {
    process.kill(Number(/pid=(\d+)=/.exec(this.screen)?.[1]), name)
  }
}
