import { randomUUID } from 'node:crypto'
import { PerduraError } from '../../errors.ts'
import { exitCodes } from '../../exit-codes.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import { payloadBytesMax } from '../../runtime/limits.ts'
import type { Call } from '../call.ts'
import { askUntilAnswered } from '../control-client.ts'
import { requireAgent } from '../look.ts'
import { printable } from '../output.ts'
import { acknowledgeTerminal, readStandardInput } from '../terminal.ts'

const defaultTimeoutMs = 30_000
// A restart takes a fraction of it; the replies are printed already.
const acknowledgePatienceMs = 2_000

export async function run(call: Call): Promise<number> {
  const to = call.text('to')
  const hub = call.text('hub')
  if (hub !== undefined) return await sendThroughHub(call, hub, to)
  if (call.text('as') !== undefined) {
    throw new PerduraError('ERR_USAGE', '--as is who you are at a hub: name the hub with --hub')
  }
  const agent = call.argument(0)
  const timeoutMs = call.durationMs('timeout', defaultTimeoutMs)
  const words = call.arguments.slice(1)
  if (words.length === 0) {
    throw new PerduraError('ERR_USAGE', 'send needs more: perdura send <agent> <text>')
  }
  if (words.join('') === '') throw new PerduraError('ERR_USAGE', 'the message is empty')
  if (to !== undefined && call.text('from') !== undefined) {
    throw new PerduraError('ERR_USAGE', `with --to the message is from ${agent}: leave out --from`)
  }
  for (const option of ['priority', 'ttl']) {
    if (to === undefined && call.text(option) !== undefined) {
      throw new PerduraError(
        'ERR_USAGE',
        `--${option} goes with --to <agent>: what is sent to ${agent} does not wait`,
      )
    }
  }
  const paths = requireAgent(call, agent)
  const text = await readText(words)
  if (to !== undefined) {
    const { sendTo } = await import('../send-to.ts')
    return await sendTo(call, agent, paths, { to, text })
  }
  const deadlineMs = performance.now() + timeoutMs
  // The id makes the message one message, however often it has to be sent until somebody says that it is taken.
  const id = call.text('id') ?? randomUUID()
  const from = call.text('from')
  const conversation = call.text('conversation')
  const answer = await accepted(
    askUntilAnswered(
      call,
      paths,
      {
        method: 'POST',
        path: '/v1/messages',
        body: {
          id,
          payload: text,
          ...(from === undefined ? {} : { from }),
          ...(conversation === undefined ? {} : { conversation }),
        },
      },
      deadlineMs,
    ),
    id,
  )
  const turn = Number(answer['position'])
  const duplicate = answer['duplicate'] === true
  if (duplicate) call.output.note(`a duplicate: "${id}" was taken in before, as turn ${turn}`)
  if (!call.flag('wait')) {
    call.output.note(`taken in as turn ${turn}`)
    call.output.document({ accepted: true, agent, id, position: turn, duplicate })
    return exitCodes.fine
  }
  return await waitAndShow(call, { agent, paths, turn, id, duplicate, sender: from ?? 'you', deadlineMs })
}

/** From a person to an agent at the hub; there is no agent here that would be named first. */
async function sendThroughHub(call: Call, hub: string, to: string | undefined): Promise<number> {
  if (to === undefined) throw new PerduraError('ERR_USAGE', '--hub goes with --to <agent>, who is to get it')
  if (call.text('from') !== undefined) {
    throw new PerduraError('ERR_USAGE', 'at a hub you are who you are: --as <name> instead of --from')
  }
  if (call.arguments.join('') === '') throw new PerduraError('ERR_USAGE', 'the message is empty')
  const { sendOnce } = await import('../hub-talk.ts')
  return await sendOnce(call, hub, to, await readText(call.arguments))
}

interface Sent {
  readonly agent: string
  readonly paths: AgentPaths
  readonly turn: number
  readonly id: string
  readonly duplicate: boolean
  readonly sender: string
  readonly deadlineMs: number
}

async function waitAndShow(call: Call, sent: Sent): Promise<number> {
  const { agent, paths, turn, id, duplicate, sender } = sent
  const { waitForTurn } = await import('../wait-for-turn.ts')
  const ended = await waitForTurn(call, agent, paths, turn, sent.deadlineMs)
  const replies = ended.sent.filter((message) => message.to === sender)
  for (const reply of replies) call.output.line(process.stdout.isTTY ? printable(reply.text) : reply.text)
  if (replies.length === 0) call.output.note(`turn ${turn} is done; it sent no reply`)
  call.output.document({
    accepted: true,
    agent,
    id,
    position: turn,
    duplicate,
    status: ended.turn.status,
    replies: replies.map(({ sequence, text, content }) => ({ sequence, text, content })),
  })
  if (sender === 'you') await acknowledge(call, agent, paths, turn)
  return exitCodes.fine
}

/** What was printed has been read. Other messages that wait (a reminder, an answer nobody waited for) are pointed at. */
async function acknowledge(call: Call, agent: string, paths: AgentPaths, turn: number): Promise<void> {
  await acknowledgeTerminal(call, paths, { turn }, acknowledgePatienceMs)
  const { readAgent } = await import('../database.ts')
  const { terminalMessages } = await import('../../runtime/queries.ts')
  const messages = readAgent(call, paths, (store) => terminalMessages(store.reader, 0))
  const unread = messages.filter((message) => message.turn !== turn).length
  if (unread === 0) return
  const count = unread === 1 ? '1 more message' : `${unread} more messages`
  call.output.note(`${count} for you: ${call.hint(`perdura chat ${agent}`)}`)
}

/** The words of the command line, or standard input for a single dash. */
async function readText(words: readonly string[]): Promise<string> {
  if (words.length !== 1 || words[0] !== '-') return words.join(' ')
  const text = (await readStandardInput(payloadBytesMax)).replace(/\r?\n$/, '')
  if (text === '') throw new PerduraError('ERR_USAGE', 'standard input is empty')
  return text
}

/** Whether a message got through may be open when time is up; its id settles that. */
async function accepted<T>(answer: Promise<T>, id: string): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof PerduraError) || error.code !== 'ERR_HTTP_UNREACHABLE') throw error
    throw new PerduraError(
      'ERR_TIMEOUT',
      `no answer in time: whether the message was taken in is open. The same command with --id ${id} settles it without a repeat`,
      { cause: error, details: { id } },
    )
  }
}
