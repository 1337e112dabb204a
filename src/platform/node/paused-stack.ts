import fs from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { isJsonObject, type Json, type JsonObject } from '../../json.ts'
import { loadWebSockets } from './lazy-web-socket.ts'
import { readOutputFrom, sizeOfOutput } from './output-file.ts'

/**
 * Of a Node process that is to be asked where it is, should it hang. They cost nothing until then. Its inspector gets a
 * free port of loopback, and its address, which holds a secret, is said on standard error alone: that goes to a file of
 * this user. (Without them, Node's inspector would tell its address to whoever asks on its port.)
 */
export const inspectableFlags = ['--inspect-port=127.0.0.1:0', '--inspect-publish-uid=stderr'] as const

const framesMax = 20
const pollMs = 10

/**
 * Where a process is that does not come back to its event loop: its frames of JavaScript, the innermost first. It is
 * left paused: this is for a process that is about to be killed. Works in a busy loop. Resolves to what is known within
 * `timeoutMs`, `undefined` where it does not answer. `output` is where its standard error goes.
 */
export async function readPausedStack(
  process: { signal(name: NodeJS.Signals): boolean },
  output: string,
  timeoutMs: number,
): Promise<readonly string[] | undefined> {
  const deadlineMs = performance.now() + timeoutMs
  const from = sizeOfOutput(output)
  if (!process.signal('SIGUSR1')) return undefined
  for (;;) {
    const url = /ws:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(readOutputFrom(output, from, 64 * 1024))?.[0]
    const leftMs = deadlineMs - performance.now()
    if (url !== undefined) return await askInspector(url, leftMs)
    if (leftMs <= pollMs) return undefined
    await delay(pollMs)
  }
}

/** Of the inspector's protocol: https://chromedevtools.github.io/devtools-protocol/v8/Debugger/ */
function askInspector(url: string, timeoutMs: number): Promise<readonly string[] | undefined> {
  const { WebSocket } = loadWebSockets()
  return new Promise((resolve) => {
    const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 16 * 1024 * 1024 })
    const scripts = new Map<string, string>()
    const finish = (frames?: readonly string[]): void => {
      clearTimeout(timeout)
      socket.terminate()
      resolve(frames)
    }
    const timeout = setTimeout(() => finish(), timeoutMs)
    socket.on('error', () => finish())
    socket.on('close', () => finish())
    socket.on('open', () => {
      for (const [index, method] of ['Debugger.enable', 'Debugger.pause'].entries())
        socket.send(JSON.stringify({ id: index + 1, method }))
    })
    socket.on('message', (data: Buffer) => {
      const { method, params } = JSON.parse(data.toString('utf8')) as JsonObject
      if (!isJsonObject(params)) return
      if (method === 'Debugger.scriptParsed') scripts.set(textOf(params['scriptId']), textOf(params['url']))
      if (method !== 'Debugger.paused' || !Array.isArray(params['callFrames'])) return
      finish((params['callFrames'] as Json[]).slice(0, framesMax).map((frame) => describe(frame, scripts)))
    })
  })
}

function describe(frame: Json, scripts: ReadonlyMap<string, string>): string {
  if (!isJsonObject(frame) || !isJsonObject(frame['location'])) return '?'
  const { scriptId, lineNumber, columnNumber } = frame['location']
  // Both count from 0.
  const place = `${scripts.get(textOf(scriptId)) ?? '?'}:${Number(lineNumber) + 1}:${Number(columnNumber) + 1}`
  return `${textOf(frame['functionName']) || '(anonymous)'} (${place})`.slice(0, 500)
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : ''
}

/** What the system says that a process is doing, where it says so: `stopped` by a signal, `waiting for a disk`, … */
export function describeProcessState(pid: number): string | undefined {
  let stat: string
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The name of the program comes second, in parentheses, and may hold anything.
  return states[stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)]
}

const states: Readonly<Record<string, string>> = {
  R: 'running',
  S: 'sleeping',
  D: 'waiting for a disk',
  T: 'stopped by a signal',
  t: 'stopped by a debugger',
}
