import type { Call } from '../call.ts'
import { askTokens } from '../token-desk.ts'
import { showTokens } from './token-status.ts'

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const { status } = await askTokens(call, agent, {
    verb: 'refresh',
    alone: async (tokens) => {
      await tokens.access({ fresh: true })
      return {}
    },
  })
  showTokens(call.output, agent, status)
  call.output.document({ agent, refreshed: true, token: status })
}
