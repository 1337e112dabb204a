import type { Call } from '../call.ts'
import { askTokens } from '../token-desk.ts'
import { showTokens } from './token-status.ts'

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const { status } = await askTokens(call, agent, {
    verb: 'rotate',
    alone: async (tokens) => {
      await tokens.rotateKey()
      return {}
    },
  })
  call.output.note(`${agent} has another key, and its other logins are ended`)
  showTokens(call.output, agent, status)
  call.output.document({ agent, rotated: true, token: status })
}
