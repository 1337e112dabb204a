/**
 * The outside world, as a process of its own that is never killed: it counts what reaches it, and it alone says what
 * happened. Run without arguments; prints its port, and ends when its standard input does.
 */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Arrival } from './outside.ts'

/** Something that was done, in the order in which it was done. */
export interface Performance extends Arrival {
  readonly receipt: string
}

export interface ReceiverReport {
  readonly performances: readonly Performance[]
  /** Runs of the step of each task: what each drew. */
  readonly draws: readonly { readonly n: number; readonly draw: string }[]
  /** Requests for effects, those included that were recognised as repeats. */
  readonly arrivals: number
}

const performances: Performance[] = []
const draws: { n: number; draw: string }[] = []
const byKey = new Map<string, Performance>()
const met = new Set<string>()
let arrivals = 0

function arrive(
  arrival: Arrival,
  answer: (status: number, body: unknown, afterMs?: number) => void,
  hangUp: () => void,
): void {
  arrivals += 1
  const name = `${arrival.n}/${arrival.name}`
  const fault = met.has(name) ? 'none' : arrival.fault
  met.add(name)
  if (fault === 'refuse') {
    answer(503, { error: 'not now' })
    return
  }
  // As a service with idempotency keys does it. For the other policies every arrival is done, so that a repeat shows.
  const known = arrival.policy === 'idempotent' ? byKey.get(arrival.key) : undefined
  const performance = known ?? { ...arrival, receipt: `${name}/${performances.length + 1}` }
  if (known === undefined) {
    performances.push(performance)
    byKey.set(arrival.key, performance)
  }
  if (fault === 'drop') hangUp()
  else if (fault === 'error') answer(500, { error: 'it was done, but who knows that' })
  else answer(200, { receipt: performance.receipt }, fault === 'slow' ? arrival.slowMs : 0)
}

const server = http.createServer((incoming, outgoing) => {
  const chunks: Buffer[] = []
  const answer = (status: number, body: unknown, afterMs = 0): void => {
    const send = (): void => {
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (afterMs > 0) setTimeout(send, afterMs)
    else send()
  }
  incoming.on('error', () => undefined)
  outgoing.on('error', () => undefined)
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
  incoming.on('end', () => {
    const { method = '', url = '' } = incoming
    const body: unknown = chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString())
    if (method === 'POST' && url === '/effects')
      arrive(body as Arrival, answer, () => incoming.socket.destroy())
    else if (method === 'POST' && url === '/draws') {
      draws.push(body as { n: number; draw: string })
      answer(200, null)
    } else if (method === 'GET' && url.startsWith('/effects/')) {
      const performance = byKey.get(url.slice('/effects/'.length))
      if (performance === undefined) answer(404, null)
      else answer(200, { receipt: performance.receipt })
    } else if (method === 'GET' && url === '/report') {
      answer(200, { performances, draws, arrivals } satisfies ReceiverReport)
    } else answer(404, null)
  })
})

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
process.stdin.on('end', () => process.exit(0)).resume()
// Signals of the terminal go to the whole foreground group; whoever started this one still asks it, and then lets it go.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
