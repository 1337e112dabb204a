import { randomUUID } from 'node:crypto'
import { createInterface, type Interface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { PerduraError, toError } from '../../errors.ts'
import { exitCodes } from '../../exit-codes.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import { terminalMessages } from '../../runtime/queries.ts'
import type { OutgoingView } from '../../runtime/turn-queries.ts'
import type { Call } from '../call.ts'
import { askUntilAnswered, notRunning } from '../control-client.ts'
import { Watch } from '../database.ts'
import { requireAgent, viewProcess } from '../look.ts'
import { printable } from '../output.ts'
import { acknowledgeTerminal } from '../terminal.ts'
import { waitForTurn } from '../wait-for-turn.ts'

const defaultTimeoutMs = 30_000
const pollMs = 100
// A restart takes a fraction of it; what was shown is shown again otherwise.
const acknowledgePatienceMs = 2_000

export async function run(call: Call): Promise<number> {
  const agent = call.argument(0)
  const hub = call.text('hub')
  if (hub !== undefined) {
    const { chatThroughHub } = await import('../hub-talk.ts')
    return await chatThroughHub(call, hub, agent)
  }
  if (call.text('as') !== undefined) {
    throw new PerduraError('ERR_USAGE', '--as is who you are at a hub: name the hub with --hub')
  }
  const paths = requireAgent(call, agent)
  const { state, supervised } = viewProcess(call, paths)
  if (state !== 'running' && !supervised) throw notRunning(call, paths)
  const chat = new Chat(call, agent, paths)
  return process.stdin.isTTY && process.stdout.isTTY ? await chat.withPerson() : await chat.withPipe()
}

/**
 * A conversation at the terminal. What the agent says is shown in the order in which it said it, whoever caused it, and
 * acknowledged once it is on the screen: what was not shown comes again.
 */
class Chat {
  readonly #call: Call
  readonly #agent: string
  readonly #paths: AgentPaths
  readonly #watch: Watch
  readonly #received: { readonly sequence: number; readonly text: string }[] = []
  #shown = 0
  #acknowledged = 0
  #sent = 0
  #lines: Interface | undefined

  constructor(call: Call, agent: string, paths: AgentPaths) {
    this.#call = call
    this.#agent = agent
    this.#paths = paths
    this.#watch = new Watch(call, paths)
  }

  /** Lines are sent as they are typed; what comes meanwhile is printed above the line that is being written. */
  async withPerson(): Promise<number> {
    const lines = createInterface({
      input: process.stdin,
      output: process.stdout,
      prompt: this.#call.output.paint('dim', 'you> '),
    })
    this.#lines = lines
    this.#call.output.note(`You talk with ${this.#agent}. Ctrl-D ends it; ${this.#agent} goes on.`)
    let open = true
    let sending = Promise.resolve()
    lines.on('line', (line) => {
      this.#prompt()
      if (line.trim() === '') return
      // One after the other: what was pasted as several lines must come in as it was written.
      sending = sending
        .then(async () => void (await this.#send(line)))
        .catch((error: unknown) => this.#print(this.#call.output.paint('red', describe(error))))
    })
    lines.on('SIGINT', () => lines.close())
    lines.on('close', () => {
      open = false
      // There is no line any more that is being written; using it again would throw.
      this.#lines = undefined
    })
    this.#show()
    this.#prompt()
    while (open) {
      await delay(pollMs)
      this.#show()
      await this.#acknowledge()
    }
    // What was typed last is on its way, or its failure has to be shown.
    await sending
    this.#watch.close()
    process.stdout.write('\n')
    return exitCodes.fine
  }

  /** Each line is a message, and the next one is sent when it has been handled. */
  async withPipe(): Promise<number> {
    const timeoutMs = this.#call.durationMs('timeout', defaultTimeoutMs)
    try {
      this.#show()
      for await (const line of createInterface({ input: process.stdin })) {
        if (line.trim() === '') continue
        const turn = await this.#send(line)
        await waitForTurn(this.#call, this.#agent, this.#paths, turn, performance.now() + timeoutMs)
        this.#show()
        await this.#acknowledge()
      }
      this.#show()
      await this.#acknowledge()
    } finally {
      this.#watch.close()
      this.#call.output.document({ agent: this.#agent, sent: this.#sent, received: this.#received })
    }
    return exitCodes.fine
  }

  async #send(text: string): Promise<number> {
    const deadlineMs = performance.now() + this.#call.durationMs('timeout', defaultTimeoutMs)
    const body = { id: randomUUID(), payload: text }
    const answer = await askUntilAnswered(
      this.#call,
      this.#paths,
      { method: 'POST', path: '/v1/messages', body },
      deadlineMs,
    )
    this.#sent += 1
    return Number(answer['position'])
  }

  #show(): void {
    const messages = this.#watch.read((reader) => terminalMessages(reader, this.#shown)) ?? []
    for (const message of messages) {
      this.#print(this.#format(message))
      this.#received.push({ sequence: message.sequence, text: message.text })
      this.#shown = message.sequence
    }
  }

  async #acknowledge(): Promise<void> {
    if (this.#shown <= this.#acknowledged) return
    const { supervised, state } = viewProcess(this.#call, this.#paths)
    if (state !== 'running' && !supervised) return
    if (
      await acknowledgeTerminal(this.#call, this.#paths, { sequence: this.#shown }, acknowledgePatienceMs)
    ) {
      this.#acknowledged = this.#shown
    }
  }

  #format(message: OutgoingView): string {
    if (this.#lines === undefined) return process.stdout.isTTY ? printable(message.text) : message.text
    return `${this.#call.output.paint('cyan', `${this.#agent}:`)} ${printable(message.text)}`
  }

  #print(text: string): void {
    if (this.#lines === undefined) {
      this.#call.output.line(text)
      return
    }
    // Off with the line that is being written, and back with it below the text.
    process.stdout.write(`\r\u001B[K${text}\n`)
    this.#lines.prompt(true)
  }

  #prompt(): void {
    this.#lines?.prompt()
  }
}

function describe(error: unknown): string {
  return error instanceof PerduraError ? `${error.code}: ${error.message}` : toError(error).message
}
