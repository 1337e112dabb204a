import type * as http from 'node:http'
import type { EffectOptions } from '../../src/index.ts'
import type { PlannedEffect, Task } from './plan.ts'

// Not as an `import`, which would load all of fetch with it: these agents start hundreds of times.
const { request }: typeof http = process.getBuiltinModule('node:http')

/** What a performed effect is answered with. */
export interface Receipt {
  readonly receipt: string
}

/** What an effect tells the receiver about itself. */
export interface Arrival extends PlannedEffect {
  readonly n: number
  readonly conversation: string
  readonly ordinal: number
  readonly key: string
  /** What the turn's recorded step had drawn. */
  readonly draw: string
}

/** An effect of a task, as `ctx.effect` takes it. */
export function effectOf(
  task: Pick<Task, 'n' | 'conversation' | 'ordinal'>,
  effect: PlannedEffect,
  draw: string,
): EffectOptions<Receipt> {
  const { n, conversation, ordinal } = task
  return {
    async run({ key }) {
      const arrival: Arrival = { ...effect, n, conversation, ordinal, key, draw }
      const { status, body } = await call('POST', '/effects', arrival)
      if (status !== 200) throw new Error(`the receiver answered ${status}`)
      return body as Receipt
    },
    ...(effect.policy === 'verify' ? { verify: ({ key }) => findReceipt(key) } : {}),
    ...(effect.policy === 'idempotent' ? { idempotent: true } : {}),
  }
}

export async function reportDraw(n: number, draw: string): Promise<void> {
  await call('POST', '/draws', { n, draw })
}

/** Undefined if the effect with this key was certainly not performed. */
export async function findReceipt(key: string, port = receiverPort()): Promise<Receipt | undefined> {
  const { status, body } = await call('GET', `/effects/${key}`, undefined, port)
  if (status === 404) return undefined
  if (status !== 200) throw new Error(`the receiver answered ${status}`)
  return body as Receipt
}

/** Asks the receiver, over a connection of its own. */
export function call(
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  port = receiverPort(),
): Promise<{ readonly status: number; readonly body: unknown }> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body)
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: false })
    outgoing.on('error', reject)
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        resolve({
          status: incoming.statusCode ?? 0,
          body: JSON.parse(Buffer.concat(chunks).toString() || 'null'),
        })
      })
    })
    outgoing.end(text)
  })
}

function receiverPort(): number {
  return Number(process.env['CHAOS_RECEIVER_PORT'])
}
