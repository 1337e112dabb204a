import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Plan, Posting, Task } from './plan.ts'

export interface Acknowledgement {
  readonly n: number
  readonly position: number
}

export interface SenderOptions {
  readonly plan: Plan
  /** Where the agent takes in messages; undefined while it is not there. */
  readonly inboxUrl: () => string | undefined
  /** Waits until this input may be sent. */
  readonly permit: (n: number) => Promise<void>
  readonly signal: AbortSignal
}

export interface SenderReport {
  /** What the agent has answered for with a 2xx: none of it may be lost. */
  readonly acknowledged: readonly Acknowledgement[]
  readonly attempts: number
  /** Posted again after the acknowledgement, or beside it, and recognised. */
  readonly recognised: number
  /** What no agent may answer: another position for the same key, a refusal. */
  readonly violations: readonly string[]
}

/** Posts every input over HTTP until it is acknowledged: in order within a conversation, side by side across them. */
export async function sendAll(options: SenderOptions): Promise<SenderReport> {
  const { plan, permit, signal } = options
  const lanes = Map.groupBy(plan.tasks, ({ conversation }) => conversation)
  const sender = new Sender(options)
  await Promise.all(
    [...lanes.values()].map(async (tasks) => {
      for (const task of tasks) {
        await permit(task.n)
        if (signal.aborted) return
        await sender.send(task, plan.postings[task.n - 1] as Posting)
      }
    }),
  )
  return sender.report
}

interface Answer {
  readonly status: number
  readonly position: number | undefined
  readonly duplicate: boolean
  readonly text: string
}

class Sender {
  readonly #options: SenderOptions
  readonly report = {
    acknowledged: [] as Acknowledgement[],
    attempts: 0,
    recognised: 0,
    violations: [] as string[],
  }

  constructor(options: SenderOptions) {
    this.#options = options
  }

  async send(task: Task, { again, impatientMs }: Posting): Promise<void> {
    if (impatientMs !== null) await this.#attempt(task, impatientMs)
    const answers = await Promise.all([
      this.#untilAcknowledged(task),
      ...(again === 'beside' ? [this.#untilAcknowledged(task)] : []),
    ])
    if (again === 'after') answers.push(await this.#untilAcknowledged(task))
    const [first] = answers
    if (first?.position === undefined || answers.includes(undefined)) return
    this.report.acknowledged.push({ n: task.n, position: first.position })
    for (const answer of answers.slice(1)) {
      if (answer?.position === first.position && (answer.duplicate || first.duplicate))
        this.report.recognised += 1
      else this.report.violations.push(`input ${task.n} was taken for two: ${first.text} and ${answer?.text}`)
    }
  }

  /** Undefined if it was told to give up. */
  async #untilAcknowledged(task: Task): Promise<Answer | undefined> {
    for (;;) {
      if (this.#options.signal.aborted) return undefined
      const answer = await this.#attempt(task)
      if (answer !== undefined && answer.status >= 200 && answer.status < 300) return answer
      // 404 is another agent that has got the port of one that was killed; 429 and 503 ask for patience.
      if (answer !== undefined && ![404, 429, 503].includes(answer.status)) {
        this.report.violations.push(`input ${task.n} was answered ${answer.status}: ${answer.text}`)
      }
      await sleep(5)
    }
  }

  /** One request on a connection of its own; undefined if no answer came. */
  #attempt(task: Task, hangUpAfterMs?: number): Promise<Answer | undefined> {
    const url = this.#options.inboxUrl()
    if (url === undefined) return sleep(5).then(() => undefined)
    this.report.attempts += 1
    return new Promise((resolve) => {
      const body = JSON.stringify(task)
      const outgoing = http.request(`${url}?conversation=${task.conversation}`, {
        method: 'POST',
        agent: false,
        timeout: 10_000,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'idempotency-key': `input-${task.n}`,
        },
      })
      const patience =
        hangUpAfterMs === undefined ? undefined : setTimeout(() => outgoing.destroy(), hangUpAfterMs)
      const finish = (answer: Answer | undefined): void => {
        clearTimeout(patience)
        resolve(answer)
      }
      outgoing.on('error', () => finish(undefined))
      outgoing.on('timeout', () => outgoing.destroy())
      outgoing.on('close', () => finish(undefined))
      outgoing.on('response', (incoming) => {
        let text = ''
        incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        incoming.on('error', () => finish(undefined))
        incoming.on('end', () =>
          finish(incoming.complete ? readAnswer(incoming.statusCode ?? 0, text) : undefined),
        )
      })
      outgoing.end(body)
    })
  }
}

function readAnswer(status: number, text: string): Answer {
  let body: { position?: number; duplicate?: boolean } = {}
  try {
    body = JSON.parse(text) as typeof body
  } catch {
    // Whoever has got the port of a killed agent may speak another language.
  }
  return { status, position: body.position, duplicate: body.duplicate === true, text }
}
