import type { Call } from '../call.ts'
import { hubChild } from '../child-name.ts'
import { showChild } from '../daemon-child.ts'
import { ensureDaemon } from '../daemon-client.ts'
import { runningHub, urlOf } from '../hub-record.ts'
import { startHub } from '../start-agents.ts'

export async function run(call: Call): Promise<undefined> {
  const port = call.text('port') === undefined ? undefined : call.count('port', 0, 65_535)
  await ensureDaemon(call)
  const before = await showChild(call, hubChild)
  await startHub(call, port)
  const pid = (await showChild(call, hubChild))?.pid
  const wasRunning = before?.state === 'running'
  const hub = runningHub(call)
  const url = hub === undefined ? null : urlOf(hub)
  call.output.note(`the hub runs${wasRunning ? ' already' : ''}${url === null ? '' : `, at ${url}`}`)
  call.output.document({ running: true, was_running: wasRunning, pid: pid ?? hub?.pid ?? null, url })
}
