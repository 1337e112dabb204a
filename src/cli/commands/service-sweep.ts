import { createNodeServiceHost } from '../../daemon/service/host.ts'
import { controlGroupOf, sweep } from '../../daemon/service/left-over.ts'
import { PerduraError } from '../../errors.ts'
import type { Call } from '../call.ts'
import { longestStopMs } from '../stop-times.ts'

/**
 * After a daemon that died agents go on, for the next daemon to take over. After one that was stopped, and did not get to
 * stopping them, nothing may be left. Which of the two it is, only the manager knows: by what it is about to do with the unit.
 */
export async function run(call: Call): Promise<undefined> {
  const { output } = call
  const host = createNodeServiceHost()
  const unit = `${call.text('name') ?? 'perdura'}.service`
  const group = controlGroupOf(host, 'self')
  if (group?.endsWith(`/${unit}`) !== true) {
    throw new PerduraError(
      'ERR_USAGE',
      `only ${unit} itself runs this, from within its control group: perdura service stop stops the service`,
    )
  }
  const scope = call.flag('system') ? [] : ['--user']
  const { status, stdout } = await host.run('systemctl', [...scope, 'list-jobs', '--plain', '--no-legend'])
  const jobs = stdout.split('\n').map((line) => line.trim().split(/\s+/))
  const isStopping = status === 0 && jobs.some(([, name, type]) => name === unit && type === 'stop')
  const ended = isStopping ? await sweep(host, call.processes, group, longestStopMs(call)) : []
  if (ended.length > 0)
    output.note(`ended ${ended.length} processes that the daemon had left: ${ended.join(', ')}`)
  output.document({ unit, stopping: isStopping, ended })
}
