import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A child process that says what it does, line by line. */
export interface Child {
  /** What it has said so far. */
  readonly lines: string[]
  /** Resolves once a line is there that `wanted` accepts; rejects when the child ends before. */
  line(wanted: (line: string) => boolean): Promise<string>
  /** SIGKILL; resolves when the process is gone and all that it said has been read. */
  kill(): Promise<void>
  /** Resolves to its exit code when it ends by itself. */
  ended(): Promise<number | null>
}

/** Runs `use` with a child process on a program of this folder; whatever happens, it is gone afterwards. */
export async function withChild<T>(
  program: string,
  parameters: readonly string[],
  use: (child: Child) => Promise<T>,
): Promise<T> {
  const path = fileURLToPath(new URL(program, import.meta.url))
  const child = spawn(process.execPath, [path, ...parameters], { stdio: ['pipe', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  const lines: string[] = []
  let rest = ''
  let over = false
  const waiting = new Set<() => void>()
  const look = (): void => {
    for (const wake of waiting) wake()
  }
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    look()
  })
  void closed.then(() => {
    over = true
    look()
  })
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await closed
  }
  try {
    return await use({
      lines,
      kill,
      line: (wanted) =>
        new Promise((resolve, reject) => {
          const wake = (): void => {
            const found = lines.find(wanted)
            if (found === undefined && !over) return
            waiting.delete(wake)
            if (found === undefined) reject(new Error(`the child ended, having said: ${lines.join(', ')}`))
            else resolve(found)
          }
          waiting.add(wake)
          wake()
        }),
      async ended() {
        await closed
        return child.exitCode
      },
    })
  } finally {
    await kill()
  }
}
