import type { Call } from '../call.ts'
import { confirm } from '../confirm.ts'
import { askTokens } from '../token-desk.ts'

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const all = call.flag('all')
  if (all)
    await confirm(call, `This ends all logins of ${agent} at its hub; each of its processes logs in again.`)
  const { fields, status } = await askTokens(call, agent, {
    verb: 'revoke',
    body: { all },
    alone: async (tokens) => ({ revoked: await tokens.revoke({ all }) }),
  })
  const revoked = Number(fields['revoked'])
  call.output.line(
    `${revoked} ${revoked === 1 ? 'login' : 'logins'} of ${agent} ended; its key gets it the next one`,
  )
  call.output.document({ agent, revoked, token: status })
}
