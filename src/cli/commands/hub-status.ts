import { formatDuration } from '../../duration.ts'
import type { Call } from '../call.ts'
import { knownAgents } from '../hub-database.ts'
import { runningHub, urlOf } from '../hub-record.ts'
import { oneLine } from '../output.ts'
import { hubSubject } from '../present-health.ts'

export async function run(call: Call): Promise<number> {
  const { output } = call
  const record = runningHub(call)
  const agents = knownAgents(call)
  const health = record && (await hubSubject(call, undefined)?.ask())
  const line = (title: string, text: string): void =>
    output.line(`${output.paint('dim', title.padEnd(10))} ${text}`)
  if (record === undefined) output.line(`the hub of this home is ${output.paint('yellow', 'not running')}`)
  else output.line(`the hub of this home is ${output.paint('green', 'running')} at ${urlOf(record)}`)
  if (record !== undefined) {
    line('process', `${record.pid}, up ${formatDuration(Math.max(0, Date.now() - record.startedAt))}`)
    line('addresses', record.addresses.map(({ host, port }) => `${host}:${port}`).join(', '))
    line('connected', `${record.connected} with a session`)
  }
  if (health !== undefined) {
    const trouble = [health.reasons[0]?.text ?? health.notReady[0] ?? []].flat()
    line('health', oneLine([health.state, ...trouble].join(': ')))
  }
  if (agents === undefined) line('agents', 'none: no hub has run in this home')
  else line('agents', `${agents.length} known`)
  const waiting = (agents ?? []).filter((agent) => agent.waiting > 0)
  if (agents !== undefined && waiting.length === 0) line('waiting', 'nothing')
  for (const agent of waiting)
    line('waiting', `${agent.waiting} for ${agent.name} (${agent.waitingBytes} bytes)`)
  if (record === undefined) output.line(output.paint('dim', `  ${call.hint('perdura hub run')}`))
  output.document({
    running: record !== undefined,
    ...(record !== undefined && {
      pid: record.pid,
      url: urlOf(record),
      addresses: record.addresses,
      startedAt: record.startedAt,
      connected: record.connected,
      health: health?.state ?? null,
      ready: health?.ready ?? null,
    }),
    agents: agents?.length ?? 0,
    waiting: waiting.map(({ name, waiting: count, waitingBytes }) => ({
      name,
      waiting: count,
      waitingBytes,
    })),
  })
  return record === undefined ? 3 : 0
}
