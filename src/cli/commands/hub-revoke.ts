import { revokeAgent } from '../../hub/auth/operator.ts'
import { operateHub } from '../../hub/server/operate-hub.ts'
import { createNodePlatform } from '../../platform/node/platform.ts'
import type { Call } from '../call.ts'
import { hubPaths } from '../hub-record.ts'

export async function run(call: Call): Promise<undefined> {
  const [name = ''] = call.arguments
  const off = call.flag('off')
  const { folder } = hubPaths(call.home)
  const done = await operateHub({ folder, platform: createNodePlatform() }, (tx, now) =>
    revokeAgent(tx, name, { off, now }),
  )
  const logins = done.ended === 1 ? '1 login has' : `${done.ended} logins have`
  call.output.note(`${logins} been revoked of ${name}: its connections are closed within seconds`)
  if (!done.isActive)
    call.output.note(`${name} is switched off: ${call.program} hub allow ${name} lets it in again`)
  call.output.document({ name, id: done.aiId, revoked: done.ended, active: done.isActive })
}
