import { stateDocument } from '../../runtime/queries.ts'
import type { Call } from '../call.ts'
import { readAgent } from '../database.ts'
import { requireAgent } from '../look.ts'

export function run(call: Call): undefined {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const state = readAgent(call, paths, (store) => stateDocument(store.reader))
  call.output.line(JSON.stringify(state, undefined, 2))
  call.output.document({ agent, state })
}
