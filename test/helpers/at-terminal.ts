import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { CommandLine } from './command-line.ts'

const program = fileURLToPath(new URL('../../bin/perdura.mjs', import.meta.url))

/** Why a test that needs a terminal is skipped; false where it is not. */
export const noTerminal =
  (spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false)
    ? false
    : 'needs the script command of util-linux for a terminal'

/**
 * A command at a terminal of its own, which is gone once `terminal` is killed; with `disowned` it is not told so, as one that a
 * shell has in the background and has disowned.
 */
export function startAtTerminal(
  cli: CommandLine,
  args: readonly string[],
  { disowned = false }: { readonly disowned?: boolean } = {},
): { readonly terminal: ChildProcess; readonly shown: () => string } {
  const command = [disowned ? 'setsid -w' : 'exec', process.execPath, program, ...args].join(' ')
  const terminal = spawn('script', ['-qec', command, '/dev/null'], {
    cwd: cli.folder,
    env: { ...process.env, PERDURA_HOME: cli.home, TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let shown = ''
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text))
  return { terminal, shown: () => shown }
}
