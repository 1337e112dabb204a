import { allowAgent } from '../../hub/auth/operator.ts'
import { operateHub } from '../../hub/server/operate-hub.ts'
import { createNodePlatform } from '../../platform/node/platform.ts'
import type { Call } from '../call.ts'
import { hubPaths } from '../hub-record.ts'

export async function run(call: Call): Promise<undefined> {
  const [name = ''] = call.arguments
  const { folder } = hubPaths(call.home)
  const { aiId } = await operateHub({ folder, platform: createNodePlatform() }, (tx, now) =>
    allowAgent(tx, name, now),
  )
  call.output.note(`${name} is switched on: it may log in, once it is started again`)
  call.output.document({ name, id: aiId, active: true })
}
