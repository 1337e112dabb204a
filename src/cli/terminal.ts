import { PerduraError } from '../errors.ts'
import type { AgentPaths } from '../runtime/home.ts'
import type { Call } from './call.ts'
import { askUntilAnswered } from './control-client.ts'

/**
 * Says what the person at the terminal has read: messages up to a `sequence`, or those of a `turn`. Where the agent cannot be told within
 * `patienceMs`, they will be shown once more: better twice than never.
 */
export async function acknowledgeTerminal(
  call: Call,
  paths: AgentPaths,
  read: { readonly sequence: number } | { readonly turn: number },
  patienceMs: number,
): Promise<boolean> {
  const request = { method: 'POST', path: '/v1/terminal/ack', body: read } as const
  try {
    await askUntilAnswered(call, paths, request, performance.now() + patienceMs)
    return true
  } catch (error) {
    if (error instanceof PerduraError) return false
    throw error
  }
}

/** All of standard input, as text. */
export async function readStandardInput(bytesMax: number): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > bytesMax) {
      throw new PerduraError('ERR_PAYLOAD_TOO_LARGE', `standard input holds more than ${bytesMax} bytes`)
    }
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch (cause) {
    // Replacing what cannot be read would give the agent something that nobody wrote.
    throw new PerduraError('ERR_PAYLOAD_INVALID', 'standard input is not UTF-8', { cause })
  }
}
