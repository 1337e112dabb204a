import { createInterface, type Interface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { PerduraError, toError } from '../errors.ts'
import { exitCodes } from '../exit-codes.ts'
import type { Call } from './call.ts'
import { HubClient, sendThroughHub, type HubMessage } from './hub-client.ts'
import { printable } from './output.ts'

const defaultTimeoutMs = 30_000
/** The hub lets an agent ask 600 times a minute. */
const pollMs = 400

/** `send --hub`: one message from a person to an agent at the hub. */
export async function sendOnce(call: Call, url: string, to: string, text: string): Promise<number> {
  const deadlineMs = performance.now() + call.durationMs('timeout', defaultTimeoutMs)
  const client = new HubClient(call, url)
  try {
    const message = { to, text, id: call.text('id'), conversation: call.text('conversation') }
    const { id, duplicate } = await sendThroughHub(client, message, deadlineMs)
    if (duplicate) call.output.note(`a duplicate: the hub has had "${id}" before`)
    const sent = { accepted: true, to, from: client.name, id, duplicate }
    if (!call.flag('wait')) {
      call.output.note(`the hub has it for ${to}`)
      call.output.document(sent)
      return exitCodes.fine
    }
    const reply = await awaitReply(client, to, id, deadlineMs)
    call.output.line(process.stdout.isTTY ? printable(reply.text) : reply.text)
    call.output.document({ ...sent, replies: [{ text: reply.text, content: reply.content }] })
    return exitCodes.fine
  } finally {
    await client.close()
  }
}

/** The first message that answers this one; marked as read, since it is about to be shown. */
async function awaitReply(
  client: HubClient,
  from: string,
  id: string,
  deadlineMs: number,
): Promise<HubMessage> {
  for (;;) {
    const messages = await client.unread(0)
    const reply = messages.find((message) => message.from === from && message.inReplyTo === id)
    if (reply !== undefined) {
      await client.markRead(reply)
      return reply
    }
    if (performance.now() + pollMs > deadlineMs) {
      throw new PerduraError(
        'ERR_TIMEOUT',
        `the hub has the message for ${from}, and there is no answer yet: perdura chat ${from} --hub shows it when it comes`,
        { details: { id } },
      )
    }
    await delay(pollMs)
  }
}

/** `chat --hub`: a conversation with an agent at the hub, wherever it runs. */
export async function chatThroughHub(call: Call, url: string, agent: string): Promise<number> {
  const client = new HubClient(call, url)
  const talk = new Talk(call, client, agent)
  try {
    return process.stdin.isTTY && process.stdout.isTTY ? await talk.withPerson() : await talk.withPipe()
  } finally {
    await client.close()
  }
}

class Talk {
  readonly #call: Call
  readonly #client: HubClient
  readonly #agent: string
  readonly #timeoutMs: number
  readonly #received: string[] = []
  #sent = 0
  #lines: Interface | undefined

  constructor(call: Call, client: HubClient, agent: string) {
    this.#call = call
    this.#client = client
    this.#agent = agent
    this.#timeoutMs = call.durationMs('timeout', defaultTimeoutMs)
  }

  async withPerson(): Promise<number> {
    const prompt = this.#call.output.paint('dim', `${this.#client.name}> `)
    const lines = createInterface({ input: process.stdin, output: process.stdout, prompt })
    this.#lines = lines
    this.#call.output.note(
      `You talk with ${this.#agent} as ${this.#client.name}, through the hub. Ctrl-D ends it.`,
    )
    let open = true
    let sending = Promise.resolve()
    lines.on('line', (line) => {
      lines.prompt()
      if (line.trim() === '') return
      sending = sending.then(() => this.#send(line)).catch((error: unknown) => this.#complain(error))
    })
    lines.on('SIGINT', () => lines.close())
    lines.on('close', () => {
      open = false
      this.#lines = undefined
    })
    lines.prompt()
    while (open) {
      await this.#show().catch((error: unknown) => this.#complain(error))
      await delay(pollMs)
    }
    await sending
    process.stdout.write('\n')
    return exitCodes.fine
  }

  /** Each line is a message, and the next one is sent when an answer has come. */
  async withPipe(): Promise<number> {
    try {
      await this.#show()
      for await (const line of createInterface({ input: process.stdin })) {
        if (line.trim() === '') continue
        const deadlineMs = performance.now() + this.#timeoutMs
        const before = this.#received.length
        await this.#send(line)
        while (this.#received.length === before && performance.now() < deadlineMs) {
          await this.#show()
          if (this.#received.length === before) await delay(pollMs)
        }
        if (this.#received.length === before) {
          throw new PerduraError(
            'ERR_TIMEOUT',
            `${this.#agent} has not answered; the hub has the message for it`,
          )
        }
      }
    } finally {
      this.#call.output.document({ agent: this.#agent, sent: this.#sent, received: this.#received })
    }
    return exitCodes.fine
  }

  async #send(text: string): Promise<void> {
    const deadlineMs = performance.now() + this.#timeoutMs
    await sendThroughHub(this.#client, { to: this.#agent, text }, deadlineMs)
    this.#sent += 1
  }

  /** What the agent said, marked as read once it is on the screen: what was not shown comes again. */
  async #show(): Promise<void> {
    for (const message of await this.#client.unread(0)) {
      if (message.from !== this.#agent) continue
      this.#received.push(message.text)
      this.#print(this.#lines === undefined ? message.text : `${this.#agent}: ${printable(message.text)}`)
      await this.#client.markRead(message)
    }
  }

  #complain(error: unknown): void {
    const text = error instanceof PerduraError ? `${error.code}: ${error.message}` : toError(error).message
    this.#print(this.#call.output.paint('red', text))
  }

  #print(text: string): void {
    if (this.#lines === undefined) {
      this.#call.output.line(process.stdout.isTTY ? printable(text) : text)
      return
    }
    process.stdout.write(`\r\u001B[K${text}\n`)
    this.#lines.prompt(true)
  }
}
