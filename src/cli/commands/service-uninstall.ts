import type { ServiceHost } from '../../daemon/service/host.ts'
import type { Call } from '../call.ts'
import { endOrphans } from '../orphans.ts'
import { chooseService, stopPatience } from '../service-choice.ts'

export async function run(call: Call, host?: ServiceHost): Promise<undefined> {
  const { output } = call
  const service = await chooseService(call, 'change', host)
  const { manager, home, installed, account } = service
  const { file } = manager
  if (installed === undefined) {
    output.note(`${file} is not there: there is nothing to take away`)
    output.document({ unit: manager.unit, file, removed: false })
    return
  }
  await manager.check()
  const { lingers, dropIns } = await manager.state()
  const patience = stopPatience(call, service)
  await manager.remove(patience)
  if (manager.kind === 'launchd') await endOrphans(call.in(home), patience.timeoutMs)
  output.line(`${manager.unit} is stopped, and ${file} is removed`)
  output.note(`the agents and all that is theirs are still in ${home}`)
  if (dropIns.length > 0) output.note(`not ours, so left where they are: ${dropIns.join(', ')}`)
  if (lingers === true)
    output.note(
      `lingering is still on, for it may serve other things: loginctl disable-linger ${account.name} ends it`,
    )
  output.document({ unit: manager.unit, file, removed: true, home, left: dropIns, lingers })
}
