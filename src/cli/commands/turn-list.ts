import { listTurns } from '../../runtime/turn-queries.ts'
import type { Call } from '../call.ts'
import { readAgent } from '../database.ts'
import { requireAgent } from '../look.ts'
import { turnTable } from '../turn-table.ts'

const statuses = ['pending', 'running', 'parked', 'done', 'dead'] as const

export function run(call: Call): undefined {
  const agent = call.argument(0)
  const limit = call.count('limit', 20, 10_000, 1)
  const status = call.choice('status', statuses)
  const conversation = call.text('conversation')
  const paths = requireAgent(call, agent)
  const turns = readAgent(call, paths, (store) =>
    listTurns(store.reader, {
      limit,
      ...(status === undefined ? {} : { statuses: [status] }),
      ...(conversation === undefined ? {} : { conversation }),
    }),
  )
  if (turns.length === 0) call.output.note('no turns')
  else turnTable(call.output, turns, Date.now())
  call.output.document({ agent, turns })
}
