import { PerduraError, toError } from '../../errors.ts'
import type { Timer } from '../../platform/clock.ts'
import type { LoginChange } from '../auth/login-changes.ts'
import { closeReasonOf } from './close-of.ts'
import type { Member } from './registry.ts'
import type { Relay } from './relay.ts'

/** Where nobody could tell. */
const askAgainMs = 1_000

/** Ends the connections of logins that are over: asks about those of which something has changed, until it knows. */
export class LoginGuard {
  readonly #relay: Pick<Relay, 'clock' | 'log' | 'registry' | 'revalidate'>
  /** Connections whose login has to be looked at. */
  readonly #doubted = new Set<Member>()
  #running = false
  #timer: Timer | undefined
  #stopped = false

  constructor(relay: Pick<Relay, 'clock' | 'log' | 'registry' | 'revalidate'>) {
    this.#relay = relay
  }

  changed(change: LoginChange | 'all'): void {
    const { registry } = this.#relay
    const members = change === 'all' ? registry.members() : registry.members(change.aiId)
    for (const member of members) {
      if (change === 'all' || change.sid === undefined || change.sid === member.sid) this.#doubted.add(member)
    }
    void this.#run()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async #run(): Promise<void> {
    if (this.#running) return
    this.#running = true
    const unknown: Member[] = []
    for (const member of this.#doubted) {
      this.#doubted.delete(member)
      if (this.#stopped) break
      if (!(await this.#look(member))) unknown.push(member)
    }
    this.#running = false
    if (unknown.length === 0 || this.#stopped) return
    for (const member of unknown) this.#doubted.add(member)
    this.#timer?.cancel()
    this.#timer = this.#relay.clock.setTimer(askAgainMs, () => void this.#run())
  }

  /** False where nobody can tell, and somebody still wants to know. */
  async #look(member: Member): Promise<boolean> {
    const { registry, log } = this.#relay
    const { aiId, sid } = member
    try {
      await this.#relay.revalidate({ aiId, sid })
    } catch (thrown) {
      const error = toError(thrown)
      if (!(error instanceof PerduraError)) log.error('hub:login:failed', { error })
      else if (error.code === 'ERR_HUB_STORAGE') return !registry.members(aiId).includes(member)
      else if (member.sid === sid) member.close(closeReasonOf(error), error.code)
    }
    return true
  }
}
