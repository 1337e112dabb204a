import { daemonPaths } from '../../daemon/paths.ts'
import { formatDuration } from '../../duration.ts'
import type { JsonObject } from '../../json.ts'
import type { Call } from '../call.ts'
import { askDaemon, findDaemon } from '../daemon-client.ts'

/** Long enough for a busy daemon, short enough for a person. */
const answerTimeoutMs = 2_000

export async function run(call: Call): Promise<number> {
  const { output } = call
  const daemon = findDaemon(call)
  if (daemon === undefined) {
    output.line('no daemon runs')
    output.document({ running: false })
    return 3
  }
  const { pid, version, protocol, startedAt } = daemon
  output.line(
    `${output.paint('bold', 'daemon')}  ${output.paint('green', 'running')} in process ${pid}, ` +
      `up ${formatDuration(Math.max(0, Date.now() - startedAt))}, version ${version}`,
  )
  let answer: JsonObject | undefined
  try {
    answer = await askDaemon(call, { method: 'GET', path: '/v1/daemon' }, answerTimeoutMs)
    const { children } = answer
    output.line(
      `keeps ${typeof children === 'number' ? children : 0} running; its log is ${daemonPaths(call.home).log}`,
    )
  } catch (error) {
    output.line(output.paint('red', `it does not answer: ${(error as Error).message}`))
  }
  output.document({
    running: true,
    answers: answer !== undefined,
    pid,
    version,
    protocol,
    started_at: startedAt,
    ...answer,
    log: daemonPaths(call.home).log,
  })
  return answer === undefined ? 1 : 0
}
