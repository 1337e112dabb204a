import type { Call } from '../call.ts'
import { listAgents } from '../../runtime/home.ts'
import { PerduraError } from '../../errors.ts'
import { startNamed, startWanted } from '../start-agents.ts'

export async function run(call: Call): Promise<number> {
  if (
    call.environment['PERDURA_INGRESS_TOKEN'] !== undefined &&
    call.text('environment-file') === undefined
  ) {
    call.output.note(
      'PERDURA_INGRESS_TOKEN of this shell reaches no agent of a daemon that runs already: write it to a file, for --environment-file',
    )
  }
  const named = call.arguments
  if (call.flag('all')) {
    if (named.length > 0)
      throw new PerduraError(
        'ERR_USAGE',
        '--all is every agent of the home: name some, or give --all, not both',
      )
    return await startNamed(call, listAgents(call.disk, call.home).toSorted())
  }
  if (named.length === 0 && call.text('name') === undefined) return await startWanted(call)
  return await startNamed(call, named.length === 0 ? [undefined] : named)
}
