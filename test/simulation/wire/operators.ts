import type { Disk } from '../../../src/platform/disk.ts'
import type { Http } from '../../../src/platform/http.ts'
import type { Locks } from '../../../src/platform/locks.ts'
import type { Platform } from '../../../src/platform/platform.ts'
import { unseal } from '../../../src/credentials/sealed-file.ts'
import { isDeath } from '../../../src/testing/death.ts'
import { SimulatedProcess, type SeededRandom } from '../../../src/testing/index.ts'
import { createSimulatedKeyChest } from '../../../src/testing/key-chest.ts'
import { credentialsPath, hubHosts, hubPort, openAgentCredentials } from './agent-credentials.ts'
import type { AgentMachine, Surroundings } from './machines.ts'
import type { Plan, WireWorld } from './wire-world.ts'

/** What others do with the credentials of an agent, on its own machine: commands beside it, and thieves. */
export class Operators {
  readonly #around: Surroundings
  readonly #plan: Plan
  readonly #world: WireWorld
  readonly #count: (what: string) => void
  readonly #random: SeededRandom
  #started = 0

  constructor(around: Surroundings, plan: Plan, world: WireWorld, count: (what: string) => void) {
    this.#around = around
    this.#plan = plan
    this.#world = world
    this.#count = count
    this.#random = around.random.fork('operators')
  }

  plan(): void {
    const { operators, thieves } = this.#plan.mishaps
    for (let count = 0; count < operators; count += 1) this.#sometime(() => void this.#operate())
    for (let count = 0; count < thieves; count += 1) this.#sometime(() => this.#steal())
  }

  #sometime(act: () => void): void {
    this.#around.clock.schedule(this.#random.int(3_000, this.#plan.mishapsMs), act)
  }

  /** `token refresh` a few times, or `token revoke`; killed at some step of that, in half of all cases. */
  async #operate(): Promise<void> {
    const machine = this.#random.pick(this.#world.agents)
    if (machine.over || !machine.disk.files().includes(credentialsPath)) return
    const process = this.#boot(machine, 'operator')
    const platform = this.#random.chance(0.5)
      ? killedAfter(machine.platform(process), process, this.#random.int(1, 60), () =>
          this.#count('operator:killed'),
        )
      : machine.platform(process)
    const { openFile } = this.#around.swaps
    try {
      const { credentials } = openAgentCredentials(platform, {
        name: machine.name,
        log: machine.log(process),
        openFile,
      })
      if (this.#random.chance(0.15)) {
        await credentials.revoke({ all: this.#random.chance(0.5) })
        this.#count('operator:revoked')
      } else {
        for (let left = this.#random.int(1, 4); left > 0; left -= 1) await credentials.access({ fresh: true })
        this.#count('operator:done')
      }
    } catch (error) {
      // The hub may be away; a file whose agent is being killed at this moment takes this process with it.
      if (!isDeath(error)) this.#count('operator:failed')
    } finally {
      process.kill('done')
    }
  }

  /** Takes the refresh token as it is now, and uses it some time later. */
  #steal(): void {
    const machine = this.#random.pick(this.#world.agents)
    if (!machine.disk.files().includes(credentialsPath)) return
    const bytes = machine.disk.content(credentialsPath)
    const { content } = unseal(bytes, credentialsPath, createSimulatedKeyChest('/'))
    const token = Object.values(content.hubs)[0]?.login?.refresh_token
    if (token === undefined) return
    this.#count('thief')
    this.#around.clock.schedule(this.#random.int(1_000, 120_000), () => {
      const process = this.#boot(machine, 'thief')
      const body = Buffer.from(JSON.stringify({ refresh_token: token }))
      const request = { method: 'POST', path: '/api/v1/auth/refresh', headers: {}, body }
      this.#around.http
        .clientFor(process)
        .request({ host: hubHosts[0], port: hubPort }, request, { timeoutMs: 10_000 })
        .then(({ status }) => this.#count(status === 200 ? 'thief:first' : 'thief:refused'))
        .catch(() => this.#count('thief:failed'))
        .finally(() => process.kill('done'))
    })
  }

  #boot(machine: AgentMachine, what: string): SimulatedProcess {
    this.#started += 1
    const process = new SimulatedProcess({ pid: 10_000 + this.#started, name: `${what} ${this.#started}` })
    this.#around.network.place(process, machine.host)
    return process
  }
}

/** The platform of a process that dies at the n-th step: before or after an operation of its disk, a lock, or a request. */
function killedAfter(
  platform: Platform,
  process: SimulatedProcess,
  steps: number,
  onDeath: () => void,
): Platform {
  let left = steps
  const step = (): void => {
    left -= 1
    if (left > 0 || !process.alive) return
    onDeath()
    process.dieHere('killed at a step of its own')
  }
  const between = <T>(act: () => T): T => {
    step()
    const result = act()
    step()
    return result
  }
  const disk: Disk = {
    ...platform.disk,
    readFile: (path) => between(() => platform.disk.readFile(path)),
    replaceFile: (path, bytes) => between(() => platform.disk.replaceFile(path, bytes)),
  }
  const locks: Locks = {
    tryLock: (path) => platform.locks.tryLock(path),
    lock: (path, waitMs) => between(() => platform.locks.lock(path, waitMs)),
  }
  const http: Http = {
    async request(address, request, options) {
      step()
      const response = await platform.http.request(address, request, options)
      step()
      return response
    },
  }
  return { ...platform, disk, locks, http }
}
