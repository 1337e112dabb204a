import { spawn } from 'node:child_process'
import type { CommandEnd, CommandRunner } from '../command-runner.ts'

export function createNodeCommandRunner(): CommandRunner {
  return {
    run: ([file = '', ...args], { input, timeoutMs, signal }) =>
      new Promise<CommandEnd>((resolve) => {
        // In a process group of its own, so that it can be ended together with what it has started.
        const child = spawn(file, args, {
          stdio: ['pipe', 'ignore', 'ignore'],
          windowsHide: true,
          detached: true,
        })
        let timedOut = false
        const kill = (): void => {
          // Once it has ended, its number may be somebody else's: what it left behind by then is left alone.
          if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
            killGroup(child.pid)
        }
        const timer = setTimeout(() => {
          timedOut = true
          kill()
        }, timeoutMs)
        signal.addEventListener('abort', kill, { once: true })
        const finish = (end: CommandEnd): void => {
          clearTimeout(timer)
          signal.removeEventListener('abort', kill)
          resolve(end)
        }
        child.on('error', (error: NodeJS.ErrnoException) => {
          if (child.pid === undefined) finish({ kind: 'failed', reason: error.code ?? 'unknown' })
        })
        // `exit` and not `close`: a grandchild that goes on must not keep the next notice back.
        child.on('exit', (code, ended) =>
          finish(timedOut ? { kind: 'timeout' } : { kind: 'exited', code, signal: ended }),
        )
        // One that does not read breaks the pipe, which is no fault.
        child.stdin.on('error', () => undefined)
        child.stdin.end(input)
      }),
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // All of it has ended.
  }
}
