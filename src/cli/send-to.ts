import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { errorCodes, PerduraError } from '../errors.ts'
import { exitCodes } from '../exit-codes.ts'
import { priorities } from '../queue/priority.ts'
import type { AgentPaths } from '../runtime/home.ts'
import { findOutgoing, type OutgoingView } from '../runtime/turn-queries.ts'
import type { Call } from './call.ts'
import { askUntilAnswered } from './control-client.ts'
import { Watch } from './database.ts'

const defaultTimeoutMs = 30_000
const pollMs = 50

/** `send <agent> … --to <other>`: through the agent's own outbox, and what became of it. */
export async function sendTo(
  call: Call,
  agent: string,
  paths: AgentPaths,
  { to, text }: { readonly to: string; readonly text: string },
): Promise<number> {
  const deadlineMs = performance.now() + call.durationMs('timeout', defaultTimeoutMs)
  const id = call.text('id') ?? randomUUID()
  const conversation = call.text('conversation')
  const priority = call.choice('priority', priorities)
  const ttlMs = call.text('ttl') === undefined ? undefined : call.durationMs('ttl', 0)
  const body = {
    id,
    to,
    content: text,
    ...(conversation === undefined ? {} : { conversation }),
    ...(priority === undefined ? {} : { priority }),
    ...(ttlMs === undefined ? {} : { ttl_ms: ttlMs }),
  }
  const answer = await askUntilAnswered(call, paths, { method: 'POST', path: '/v1/outbox', body }, deadlineMs)
  const sequence = Number(answer['sequence'])
  const duplicate = answer['duplicate'] === true
  const sent = { accepted: true, agent, to, id, sequence, duplicate }
  if (duplicate) call.output.note(`a duplicate: "${id}" is message ${sequence} of ${agent} already`)
  if (!call.flag('wait')) {
    call.output.note(`message ${sequence} of ${agent} is on disk`)
    call.output.document(sent)
    return exitCodes.fine
  }
  const settled = await awaitVerdict(call, agent, paths, sequence, deadlineMs)
  if (settled.status !== 'delivered') throw refusal(settled)
  call.output.line(settled.seq === null ? `${to} has it` : `the hub has it for ${to}`)
  call.output.document({ ...sent, status: settled.status, settledAt: settled.settledAt })
  return exitCodes.fine
}

/** By looking at the database: that survives the agent's being killed and started again. */
async function awaitVerdict(
  call: Call,
  agent: string,
  paths: AgentPaths,
  sequence: number,
  deadlineMs: number,
): Promise<OutgoingView> {
  const watch = new Watch(call, paths)
  try {
    for (;;) {
      const message = watch.read((reader) => findOutgoing(reader, sequence))
      if (message !== undefined && message.status !== 'pending') return message
      if (performance.now() + pollMs >= deadlineMs) {
        throw new PerduraError(
          'ERR_TIMEOUT',
          `message ${sequence} of ${agent} is on disk and not delivered yet: ${call.hint(`perdura why ${agent}`)} says why`,
          { details: { sequence } },
        )
      }
      await delay(pollMs)
    }
  } finally {
    watch.close()
  }
}

/** With the code that whoever refused it gave. */
function refusal({ error, to, sequence, status }: OutgoingView): PerduraError {
  const [, code = '', text = ''] = /^(ERR_[A-Z_]+): ([\s\S]*)$/.exec(error ?? '') ?? []
  const known = errorCodes.find((candidate) => candidate === code) ?? 'ERR_RECIPIENT'
  if (status === 'expired') {
    return new PerduraError(
      'ERR_TIMEOUT',
      `message ${sequence} for ${to} has expired: ${error ?? 'no reason given'}`,
      {
        details: { sequence, to },
      },
    )
  }
  return new PerduraError(known, `refused for ${to}: ${text === '' ? (error ?? 'no reason given') : text}`, {
    details: { sequence, to },
  })
}
