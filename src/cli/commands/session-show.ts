import { formatDuration } from '../../duration.ts'
import type { Call } from '../call.ts'
import { readAgent } from '../database.ts'
import { requireAgent, viewProcess } from '../look.ts'
import { formatTime, oneLine } from '../output.ts'
import {
  askSession,
  describeMeasured,
  describeNextTry,
  viewSession,
  type SessionView,
} from '../session-view.ts'

/** Long enough for a busy agent, short enough for a person. */
const answerTimeoutMs = 2_000

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const process = viewProcess(call, paths)
  const asked = process.state === 'running' ? await askSession(call, paths, answerTimeoutMs) : undefined
  const session = readAgent(call, paths, (store) => viewSession(store.reader, process, asked?.live))
  if (session === undefined) {
    const running = process.state === 'running'
    call.output.line(
      running
        ? `${agent} runs without a hub: its messages go to agents of this home`
        : `${agent} has been at no hub`,
    )
    call.output.line(
      call.output.paint(
        'dim',
        `  ${running ? `${call.hint(`perdura stop ${agent}`)}, then ` : ''}${call.hint(`perdura start ${agent} --hub http://127.0.0.1:8767`)}`,
      ),
    )
    call.output.document({ agent, running, hub: null })
    return
  }
  show(call, agent, session)
  call.output.document({ agent, running: process.state === 'running', ...session })
}

function show(call: Call, agent: string, session: SessionView): void {
  const { output } = call
  const now = Date.now()
  const line = (title: string, text: string): void =>
    output.line(`${output.paint('dim', title.padEnd(12))} ${text}`)
  const { state, since, received, sent } = session
  const colour = state === 'online' ? 'green' : 'yellow'
  output.line(`${output.paint('bold', agent)}  ${output.paint(colour, state)}`)
  line('hub', session.hub)
  line('session', session.sessionIdentifier ?? 'none yet')
  line('generation', String(session.generation))
  line('reason', oneLine(session.reason))
  line('since', `${formatTime(since, now)}, for ${formatDuration(Math.max(0, now - since))}`)
  const nextTry = describeNextTry(session)
  if (nextTry !== undefined) line('next try', nextTry)
  const measured = describeMeasured(session)
  if (measured !== undefined) line('way', measured)
  line('received', `up to offset ${received.offset}${received.epoch === null ? '' : ` of ${received.epoch}`}`)
  const acked = sent.ackedSeq === null ? 'none' : `number ${sent.ackedSeq} (${sent.ackedId ?? '?'})`
  line('sent', `${acked} has a verdict, ${sent.pending} pending, the next is number ${sent.nextSeq}`)
  line('numbering', sent.producerEpoch ?? 'none yet')
}
