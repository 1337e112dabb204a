import { stopSeconds } from '../../daemon/service/spec.ts'
import type { Call } from '../call.ts'
import { chooseService } from '../service-choice.ts'

const defaultTimeoutMs = (stopSeconds + 10) * 1_000

export async function run(call: Call): Promise<undefined> {
  const { output } = call
  const { manager, home, installed, account } = await chooseService(call, 'change')
  const { file } = manager
  if (installed === undefined) {
    output.note(`${file} is not there: there is nothing to take away`)
    output.document({ unit: manager.unit, file, removed: false })
    return
  }
  await manager.check()
  const { lingers, dropIns } = await manager.state()
  await manager.remove(call.durationMs('timeout', defaultTimeoutMs))
  output.line(`${manager.unit} is stopped, and ${file} is removed`)
  output.note(`the agents and all that is theirs are still in ${home}`)
  if (dropIns.length > 0) output.note(`not ours, so left where they are: ${dropIns.join(', ')}`)
  if (lingers === true)
    output.note(
      `lingering is still on, for it may serve other things: loginctl disable-linger ${account.name} ends it`,
    )
  output.document({ unit: manager.unit, file, removed: true, home, left: dropIns, lingers })
}
