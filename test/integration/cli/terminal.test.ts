import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { until, withCommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const program = fileURLToPath(new URL('../../../bin/perdura.mjs', import.meta.url))
const helped =
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false
const options = {
  timeout: 60_000,
  skip: helped ? false : 'needs the script command of util-linux for a terminal',
}
const ctrlD = '\u0004'

test(
  'what was typed just before the end of a chat is sent, in its order, and the end is clean',
  options,
  () =>
    withCommandLine(async (cli) => {
      await cli.up()
      const command = [process.execPath, program, 'chat', 'Ada'].map((word) => `'${word}'`).join(' ')
      for (let round = 1; round <= 3; round++) {
        const chat = spawn('script', ['-qec', command, '/dev/null'], {
          env: { ...process.env, PERDURA_HOME: cli.home, TERM: 'xterm' },
          stdio: ['pipe', 'pipe', 'inherit'],
        })
        let shown = ''
        chat.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text))
        await until('it asks', () => shown.includes('you>'))
        const lines = Array.from({ length: 5 }, (_, at) => `remember that round ${round} has line ${at + 1}`)
        chat.stdin.write(`${lines.join('\r')}\r`)
        await until('it shows an answer', () => shown.includes(`I will remember: round ${round} has line`))
        chat.stdin.write(`help\r${ctrlD}`)
        const [code] = await once(chat, 'close')
        assert.equal(code, 0, shown)
        assert.doesNotMatch(shown, /ERR_/)
        const { turns } = await cli.json(['turn', 'list', 'Ada', '--limit', '6'])
        const texts = (turns as { text: string }[]).map(({ text }) => text).toReversed()
        assert.deepEqual(texts, [...lines, 'help'])
      }
    }),
)
