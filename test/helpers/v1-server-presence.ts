import type { Connection } from '../../src/platform/transport.ts'

export interface V1Times {
  readonly staleMs: number
  readonly graceMs: number
  readonly maxSleepMs: number
}

interface Client {
  readonly connection: Connection
  heartbeatMs: number
  challengedMs: number | undefined
  sleptMs: number | undefined
}

/** Who is there, by the lights of a plain v1 server: one slot for each agent, over all its sockets. */
export class V1Presence {
  readonly #clients = new Map<number | string, Client>()
  readonly #times: V1Times

  constructor(times: V1Times) {
    this.#times = times
  }

  /** A second socket takes the slot of the first. */
  enter(id: number | string, connection: Connection, nowMs: number): void {
    this.#clients.set(id, { connection, heartbeatMs: nowMs, challengedMs: undefined, sleptMs: undefined })
  }

  /** Whichever of them closes, the slot is free, and the other one is forgotten. */
  leave(id: number | string): void {
    this.#clients.delete(id)
  }

  heartbeat(id: number | string, nowMs: number): void {
    const client = this.#clients.get(id)
    // Nobody calls what would wake a sleeper.
    if (client !== undefined) client.heartbeatMs = nowMs
  }

  stateOf(id: number | string): 'absent' | 'awake' | 'asleep' {
    const client = this.#clients.get(id)
    if (client === undefined) return 'absent'
    return client.sleptMs === undefined ? 'awake' : 'asleep'
  }

  /** Every minute. */
  check(nowMs: number, timestamp: string): void {
    const { staleMs, graceMs, maxSleepMs } = this.#times
    for (const [id, client] of this.#clients) {
      const say = (frame: object): void =>
        client.connection.send(JSON.stringify({ ...frame, timestamp, urgent: true }))
      if (client.sleptMs !== undefined) {
        // The socket stays open.
        if (nowMs - client.sleptMs > maxSleepMs) this.#clients.delete(id)
      } else if (nowMs - client.heartbeatMs <= staleMs) {
        client.challengedMs = undefined
      } else if (client.challengedMs === undefined) {
        client.challengedMs = nowMs
        say({ type: 'activity_verification', content: '⚠️ URGENT: Your activity has not been detected' })
      } else if (nowMs - client.challengedMs > graceMs) {
        client.sleptMs = nowMs
        say({ type: 'sleep_notification', reason: 'no response to challenge' })
      }
    }
  }
}
