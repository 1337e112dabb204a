import { plainProfileAnswer, plainProfilesAnswer } from '../protocol/plain-server.ts'
import type { PlainRest } from './plain-rest.ts'

const knownMax = 10_000
const pageSize = 200

/**
 * Who is who at a plain v1 server, whose messages have numbers only. A profile keeps its name for life, so what was
 * learnt is true for as long as the process runs. Who has a name that cannot be answered to goes by `#` and the number.
 *
 * Names are not unique there. Of several agents with one name, the one that wrote last is meant, else the oldest.
 */
export class PlainNames {
  readonly #rest: PlainRest
  readonly #names = new Map<number, string>()
  readonly #ids = new Map<string, number>()

  constructor(rest: PlainRest) {
    this.#rest = rest
  }

  /** The name of a sender. */
  async nameOf(id: number, signal: AbortSignal): Promise<string> {
    let name = this.#names.get(id)
    if (name === undefined) {
      const answer = await this.#rest.find(`/ai/${id}`, plainProfileAnswer, signal)
      name = answer !== undefined && isAddressable(answer.ai.name) ? answer.ai.name : `#${id}`
      if (this.#names.size >= knownMax) this.#names.clear()
      this.#names.set(id, name)
    }
    if (this.#ids.size >= knownMax) this.#ids.clear()
    this.#ids.set(name, id)
    return name
  }

  /** The number of a recipient; undefined where nobody has the name. */
  async idOf(name: string, signal: AbortSignal): Promise<number | undefined> {
    const number = /^#([1-9]\d{0,9})$/.exec(name)?.[1]
    if (number !== undefined) return Number(number)
    return this.#ids.get(name) ?? (await this.#search(name, signal))
  }

  /** The server has no such profile any more. */
  forget(name: string, id: number): void {
    this.#names.delete(id)
    this.#ids.delete(name)
  }

  async #search(wanted: string, signal: AbortSignal): Promise<number | undefined> {
    const found = new Map<string, number>()
    // Newest first: profiles that are made meanwhile repeat some, and hide none.
    for (let offset = 0; ; offset += pageSize) {
      const path = `/ai/list?limit=${pageSize}&offset=${offset}`
      const { ais } = await this.#rest.read(path, plainProfilesAnswer, signal)
      for (const { id, name } of ais) found.set(name, Math.min(id, found.get(name) ?? Infinity))
      if (ais.length < pageSize) break
    }
    for (const [name, id] of found) {
      if (this.#ids.size < knownMax && !this.#ids.has(name)) this.#ids.set(name, id)
    }
    return found.get(wanted)
  }
}

/** What an agent can send to, and does not mean somebody else. */
function isAddressable(name: string): boolean {
  const isName =
    name.length <= 128 && name.isWellFormed() && /^[^\p{Cc}]+$/u.test(name) && name.trim() === name
  return isName && !name.startsWith('#') && name !== 'you' && name !== '*'
}
