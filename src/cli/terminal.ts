import { PerduraError } from '../errors.ts'
import type { AgentPaths } from '../runtime/home.ts'
import type { Call } from './call.ts'
import { askAgent } from './control-client.ts'

/**
 * Says that the person at the terminal has seen the messages up to `sequence`. Where the agent cannot be told just
 * now, they will be shown once more: better twice than never.
 */
export async function acknowledgeTerminal(call: Call, paths: AgentPaths, sequence: number): Promise<boolean> {
  try {
    await askAgent(call, paths, { method: 'POST', path: '/v1/terminal/ack', body: { sequence } })
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
  return Buffer.concat(chunks).toString('utf8')
}
