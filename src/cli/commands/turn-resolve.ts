import { PerduraError } from '../../errors.ts'
import type { Json } from '../../json.ts'
import type { Call } from '../call.ts'
import { askAgent } from '../control-client.ts'
import { requireAgent } from '../look.ts'
import { parseTurn } from '../turn-table.ts'

export async function run(call: Call): Promise<undefined> {
  const [agent = '', , effect = ''] = call.arguments
  const turn = parseTurn(call.argument(1))
  if (call.flag('done') === call.flag('not-done')) {
    throw new PerduraError('ERR_USAGE', `say what became of "${effect}": --done or --not-done`)
  }
  if (effect === '') throw new PerduraError('ERR_USAGE', 'name the effect, as perdura why shows it')
  const result = parseResult(call)
  const paths = requireAgent(call, agent)
  const body: Json = call.flag('done') ? { outcome: 'done', result } : { outcome: 'not-done' }
  await askAgent(call, paths, {
    method: 'POST',
    path: `/v1/turns/${turn}/effects/${encodeURIComponent(effect)}/resolve`,
    body,
  })
  call.output.line(`turn ${turn} goes on: "${effect}" counts as ${call.flag('done') ? 'done' : 'not done'}`)
  call.output.document({ agent, turn, effect, ...body })
}

function parseResult(call: Call): Json {
  const text = call.text('result')
  if (text === undefined) return null
  if (!call.flag('done')) throw new PerduraError('ERR_USAGE', '--result goes with --done')
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new PerduraError('ERR_USAGE', `--result must be JSON: ${(cause as Error).message}`, { cause })
  }
}
