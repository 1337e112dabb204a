import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { Child, ChildCommand, ChildSink, Spawner } from '../child.ts'

const lineBytesMax = 8_192

/** A real one takes every signal that there is. */
export interface NodeChild extends Child {
  signal(name: NodeJS.Signals): boolean
}

export interface NodeSpawner extends Spawner {
  spawn(command: ChildCommand, sink: ChildSink): NodeChild
}

/** Children of this process: message channel, no standard input, output taken line by line. */
export function createNodeSpawner(): NodeSpawner {
  return {
    spawn(command, sink) {
      const child = spawn(command.file, command.arguments, {
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        env: { ...process.env, ...command.environment },
        windowsHide: true,
      })
      let failure: Error | undefined
      child.on('error', (error) => {
        // Also told of signals and messages that could not be delivered; the end is told by `close`, unless it
        // never began.
        failure = error
        if (child.pid === undefined) finish(null, null)
      })
      child.on('message', (message) => sink.onMessage(message))
      if (child.stdout !== null) splitLines(child.stdout, (line) => sink.onLine('stdout', line))
      if (child.stderr !== null) splitLines(child.stderr, (line) => sink.onLine('stderr', line))
      // `exit` and not `close`: a grandchild that keeps the output open must not delay the restart.
      child.on('exit', (code, signal) => finish(code, signal))
      const finish = once((code: number | null, signal: string | null) =>
        sink.onExit({ code, signal, ...(failure === undefined || code !== null ? {} : { error: failure }) }),
      )
      return handleOf(child)
    },
  }
}

function handleOf(child: ReturnType<typeof spawn>): NodeChild {
  return {
    pid: child.pid,
    signal: (name) => child.exitCode === null && child.signalCode === null && child.kill(name),
    send(message) {
      // Without the callback a channel that just closed would make an `error` event of it.
      if (child.connected) child.send(message as never, () => undefined)
    },
    evidence: () => Promise.resolve(undefined),
  }
}

function splitLines(stream: Readable, emit: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) emit(line.slice(0, lineBytesMax))
    if (rest.length > lineBytesMax) {
      emit(rest.slice(0, lineBytesMax))
      rest = ''
    }
  })
  stream.on('end', () => {
    if (rest !== '') emit(rest)
  })
  stream.on('error', () => undefined)
}

function once<Arguments extends unknown[]>(
  run: (...given: Arguments) => void,
): (...given: Arguments) => void {
  let done = false
  return (...given) => {
    if (done) return
    done = true
    run(...given)
  }
}
