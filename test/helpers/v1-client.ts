import http from 'node:http'
import { WebSocket } from 'ws'

/**
 * A client as those of CloudBrain v1 are, and no wiser: it logs in by its name, keeps its token for ever, and knows only
 * the frames that they know.
 */

export interface V1Login {
  readonly token: string
  readonly refreshToken: string
  readonly aiId: number
}

/** Whatever comes from the server. */
// oxlint-disable-next-line typescript/no-explicit-any
export type V1Body = any

/** The REST half, with the paths and spellings of the original. */
export class V1Rest {
  readonly #port: number
  #token: string | undefined

  constructor(port: number) {
    this.#port = port
  }

  async login(name: string): Promise<V1Login> {
    // 0 is what the originals send where they do not know it.
    const body = { ai_id: 0, ai_name: name, ai_nickname: name }
    const { token, refresh_token: refreshToken, ai_id: aiId } = await this.ask('POST', '/auth/login', body)
    this.#token = token
    return { token, refreshToken, aiId }
  }

  logout(): Promise<V1Body> {
    return this.ask('POST', '/auth/logout')
  }

  send(recipientId: number, content: string): Promise<V1Body> {
    return this.ask('POST', '/message/send', { recipient_id: recipientId, content })
  }

  inbox(): Promise<V1Body> {
    return this.ask('GET', '/message/inbox?limit=50')
  }

  /** The body of the answer; rejects where `success` is not true. */
  async ask(method: string, path: string, body?: object): Promise<V1Body> {
    const text = await new Promise<string>((resolve, reject) => {
      const headers = {
        'Content-Type': 'application/json',
        ...(this.#token !== undefined && { Authorization: `Bearer ${this.#token}` }),
      }
      const options = {
        host: '127.0.0.1',
        port: this.#port,
        method,
        path: `/api/v1${path}`,
        headers,
        agent: false,
      }
      const request = http.request(options, (response) => {
        let answer = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => (answer += part))
        response.on('end', () => resolve(answer))
        response.on('error', reject)
      })
      request.on('error', reject)
      request.end(body === undefined ? undefined : JSON.stringify(body))
    })
    const answer = JSON.parse(text)
    if (answer.success !== true) throw new Error(`${method} ${path}: ${text}`)
    return answer
  }
}

/** One WebSocket: everything that came, and waiting for what is to come. */
export class V1Socket {
  readonly frames: V1Body[] = []
  readonly closed: Promise<number>
  readonly #socket: WebSocket
  readonly #waiting = new Set<() => void>()
  #onFrame: ((frame: V1Body) => void) | undefined

  /** The token goes into the query, and nowhere else. */
  constructor(port: number, token: string, path = '/ws/v1/connect') {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}${path}?token=${token}`)
    this.closed = new Promise((resolve) => this.#socket.on('close', resolve))
    this.#socket.on('error', () => {})
    this.#socket.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString())
      this.frames.push(frame)
      this.#onFrame?.(frame)
      for (const look of this.#waiting) look()
    })
  }

  /** What the client does by itself with what comes. */
  react(onFrame: (frame: V1Body) => void): void {
    this.#onFrame = onFrame
  }

  /** The first of this type, past or to come; it is taken off. */
  next(type: string): Promise<V1Body> {
    return new Promise((resolve) => {
      const look = (): void => {
        const index = this.frames.findIndex((frame) => frame.type === type)
        if (index < 0) return
        this.#waiting.delete(look)
        resolve(this.frames.splice(index, 1)[0])
      }
      this.#waiting.add(look)
      look()
    })
  }

  send(frame: object): void {
    this.raw(JSON.stringify(frame))
  }

  raw(text: string): void {
    this.#socket.send(text)
  }

  async close(): Promise<void> {
    this.#socket.close()
    await this.closed
  }
}

/** As `robust_autonomous_agent.py`: says at once that it is alive and what it thinks, and answers every message. */
export async function startRobustAgent(
  port: number,
  name: string,
): Promise<V1Socket & { readonly aiId: number }> {
  const { token, aiId } = await new V1Rest(port).login(name)
  const socket = new V1Socket(port, token)
  const own = (fields: object): object => ({ ai_id: aiId, ...fields, timestamp: new Date().toISOString() })
  let answers = 1
  socket.react((frame) => {
    if (frame.type !== 'message' || answers === 0) return
    // The original answers answers too, for ever.
    answers -= 1
    const content = `You said: ${frame.content.slice(0, 50)}`
    socket.send(own({ type: 'message', recipient_id: frame.sender_id, content }))
  })
  await socket.next('connected')
  socket.send(own({ type: 'heartbeat' }))
  socket.send(own({ type: 'insight', content: `${name} is thinking` }))
  return Object.assign(socket, { aiId })
}

/** As `AIWebSocketAPIClient`: numbers its requests, and takes the answer that has the same number. */
export class V1ApiClient extends V1Socket {
  #requests = 0

  async start(): Promise<void> {
    await this.next('connected')
    this.send({ type: 'subscribe', subscription: 'messages' })
  }

  async request(type: string, fields: object): Promise<V1Body> {
    this.#requests += 1
    const id = String(this.#requests)
    this.send({ type, request_id: id, timestamp: new Date().toISOString(), ...fields })
    for (;;) {
      const frame = this.frames.find(({ request_id: answered }) => answered === id)
      if (frame !== undefined) return frame
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}
