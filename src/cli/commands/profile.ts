import { chmodSync, constants, copyFileSync, existsSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { formatDuration } from '../../duration.ts'
import { PerduraError, toError } from '../../errors.ts'
import type { Json } from '../../json.ts'
import type { Call } from '../call.ts'
import { askAgent } from '../control-client.ts'
import { requireAgent } from '../look.ts'

const cpuMsMin = 100
const cpuMsMax = 600_000
/** For a snapshot, and for what a busy process needs to answer. */
const answerMs = 300_000

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const isHeap = call.flag('heap')
  if (isHeap === (call.text('cpu') !== undefined))
    throw new PerduraError('ERR_USAGE', 'profile needs one of --cpu <duration> and --heap')
  const durationMs = isHeap ? 0 : call.durationMs('cpu', 0)
  if (!isHeap && (durationMs < cpuMsMin || durationMs > cpuMsMax))
    throw new PerduraError('ERR_USAGE', '--cpu takes from 100ms to 10m')
  const paths = requireAgent(call, agent)
  const out = resolve(call.text('out') ?? defaultName(agent, isHeap))
  if (existsSync(out)) throw taken(out)
  if (isHeap)
    call.output.note(
      `${agent} stands still while the snapshot is taken, and the file holds whatever is in its memory, secrets too: keep it to yourself`,
    )
  else call.output.note(`looking at ${agent} for ${formatDuration(durationMs)}`)
  const body: Json = isHeap ? { kind: 'heap' } : { kind: 'cpu', duration_ms: Math.round(durationMs) }
  const answer = await askAgent(
    call,
    paths,
    { method: 'POST', path: '/v1/profile', body },
    durationMs + answerMs,
  )
  const { file, size_bytes: sizeBytes } = answer as { readonly file: string; readonly size_bytes: number }
  move(file, out)
  call.output.line(out)
  call.output.note(`open it in the developer tools of a browser (${isHeap ? 'Memory' : 'Performance'}, load)`)
  call.output.document({ agent, kind: isHeap ? 'heap' : 'cpu', file: out, sizeBytes })
}

function defaultName(agent: string, isHeap: boolean): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(':', '-')
  return `${agent}-${time}.${isHeap ? 'heapsnapshot' : 'cpuprofile'}`
}

/** From the agent's folder, which is the one place where the agent may write for certain. */
function move(from: string, out: string): void {
  try {
    copyFileSync(from, out, constants.COPYFILE_EXCL)
    chmodSync(out, 0o600)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw taken(out)
    throw new PerduraError('ERR_FILE_WRITE', `cannot write ${out}: ${toError(cause).message}`, { cause })
  } finally {
    rmSync(from, { force: true })
  }
}

function taken(out: string): PerduraError {
  return new PerduraError('ERR_FILE_EXISTS', `${out} exists: choose another file with --out`)
}
