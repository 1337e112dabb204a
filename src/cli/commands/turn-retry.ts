import type { Call } from '../call.ts'
import { askAgent } from '../control-client.ts'
import { requireAgent } from '../look.ts'
import { parseTurn } from '../turn-table.ts'

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const turn = parseTurn(call.argument(1))
  await askAgent(call, requireAgent(call, agent), {
    method: 'POST',
    path: `/v1/turns/${turn}/retry`,
    body: {},
  })
  call.output.line(`turn ${turn} is back in the inbox`)
  call.output.document({ agent, turn, retried: true })
}
