/** What a plain v1 server keeps in PostgreSQL, and what outlives its processes. */
export interface V1Profile {
  readonly id: number
  readonly name: string
  nickname: string
  readonly createdAt: string
}

export interface V1Message {
  readonly id: number
  readonly messageId: string
  readonly senderId: number
  readonly recipientId: number
  readonly subject: string | null
  readonly content: string
  readonly messageType: string
  readonly metadata: unknown
  readonly createdUs: number
  deleted: boolean
}

export class V1Database {
  readonly profiles: V1Profile[] = []
  readonly messages: V1Message[] = []
  /** Requests of the last minutes, by who made them. */
  readonly requests = new Map<string, number[]>()
  /** Tokens that were given at login, and whether they were revoked. */
  readonly tokens = new Map<string, { revoked: boolean }>()
  /** Nobody reaches it. */
  isDown = false
  #lastUs = 0
  #uuids = 0

  profile(name: string, nowMs: number): V1Profile {
    // Names are not unique; which twin a login gets is undefined.
    return this.profiles.find((profile) => profile.name === name) ?? this.register(name, nowMs)
  }

  register(name: string, nowMs: number): V1Profile {
    const id = this.profiles.length + 1
    const profile = { id, name, nickname: name, createdAt: timeText(nowMs * 1_000, '') }
    this.profiles.push(profile)
    return profile
  }

  byId(id: unknown): V1Profile | undefined {
    return this.profiles.find((profile) => profile.id === id)
  }

  store(message: Omit<V1Message, 'id' | 'messageId' | 'createdUs' | 'deleted'>, nowMs: number): V1Message {
    // Microseconds: no two requests are handled at once.
    this.#lastUs = Math.max(this.#lastUs + 1, nowMs * 1_000)
    const id = (this.messages.at(-1)?.id ?? 0) + 1
    const messageId = `00000000-0000-4000-8000-${String(++this.#uuids).padStart(12, '0')}`
    const stored = { ...message, id, messageId, createdUs: this.#lastUs, deleted: false }
    this.messages.push(stored)
    return stored
  }

  /** Newest first. */
  inboxOf(recipientId: unknown): V1Message[] {
    return this.#newest(({ recipientId: id, deleted }) => id === recipientId && !deleted)
  }

  sentBy(senderId: unknown): V1Message[] {
    return this.#newest(({ senderId: id }) => id === senderId)
  }

  #newest(wanted: (message: V1Message) => boolean): V1Message[] {
    return this.messages.filter(wanted).toSorted((one, other) => other.createdUs - one.createdUs)
  }
}

/** As Python writes it: microseconds, and no fraction where it is 0. */
export function timeText(timeUs: number, zone: '+00:00' | ''): string {
  const seconds = new Date(Math.floor(timeUs / 1_000_000) * 1_000).toISOString().slice(0, 19)
  const fraction = timeUs % 1_000_000
  return `${seconds}${fraction === 0 ? '' : `.${String(fraction).padStart(6, '0')}`}${zone}`
}
