import type { Call } from '../call.ts'
import { ensureDaemon } from '../daemon-client.ts'

const defaultTimeoutMs = 20_000

export async function run(call: Call): Promise<undefined> {
  const { daemon, started } = await ensureDaemon(call, call.durationMs('timeout', defaultTimeoutMs))
  call.output.note(`the daemon runs${started ? '' : ' already'}, in process ${daemon.pid}`)
  call.output.document({ running: true, was_running: !started, pid: daemon.pid, version: daemon.version })
}
