import { DatabaseSync } from 'node:sqlite'
import type { AgentMachine } from './machines.ts'

const parts = [
  ['state', "SELECT value AS content FROM state WHERE key = 'handled'"],
  ['inbox', "SELECT count(*) || '/' || max(position) AS content FROM inbox"],
  ['outbox', "SELECT count(*) || '/' || max(sequence) AS content FROM outbox"],
  ['session', "SELECT generation || '/' || session_identifier || '/' || rx_offset AS content FROM session"],
] as const

/** What is not in the database of an agent that has been moved as it was in the one that it left. */
export function lostOnTheWay(left: Uint8Array, { host, database }: AgentMachine): string[] {
  const there = new DatabaseSync(':memory:')
  there.deserialize(left)
  const lost = parts.flatMap(([what, sql]) => {
    const was = there.prepare(sql).get()?.['content']
    const is = database.look<{ content: unknown }>(sql)[0]?.content
    return was === is ? [] : [`${what} of ${host} was ${String(was)}, and is ${String(is)}`]
  })
  there.close()
  return lost
}
