import { plantCredentials } from '../../../src/credentials/portable-credentials.ts'
import { PerduraError } from '../../../src/errors.ts'
import { exportAgent } from '../../../src/runtime/move/export-agent.ts'
import { importAgent } from '../../../src/runtime/move/import-agent.ts'
import { removeMoved } from '../../../src/runtime/move/moved-marker.ts'
import { openCredentials } from '../../../src/runtime/hub/open-credentials.ts'
import { openStore } from '../../../src/store/open-store.ts'
import { SimulatedDatabase } from '../../../src/testing/database.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { outside, type SeededRandom } from '../../../src/testing/index.ts'
import { Trace } from '../../../src/testing/trace.ts'
import { runCommand } from './command.ts'
import { credentialsPath } from './agent-credentials.ts'
import { AgentMachine, markerPath, type Surroundings } from './machines.ts'
import { openQuickStore } from './quick-store.ts'

/** What takes an agent elsewhere; a simulation can swap a part for a broken one, to see that it notices. */
export interface MoveParts {
  /** `before` is what the database was when somebody asked for the export, before the agent was stopped. */
  readonly exportAgent: (options: Parameters<typeof exportAgent>[0], before: Uint8Array) => Promise<unknown>
  readonly plantCredentials: typeof plantCredentials
}

const usualParts: MoveParts = { exportAgent: (options) => exportAgent(options), plantCredentials }

const archive = '/exports/agent'

export interface MovesOptions {
  readonly around: Surroundings
  readonly random: SeededRandom
  readonly boundaryMax: number
  readonly isCalm: () => boolean
  readonly count: (what: string) => void
  readonly boot: (machine: AgentMachine) => void
  readonly sleep: (ms: number) => Promise<void>
  /** The database as it was left, and where it has come to. */
  readonly moved: (left: Uint8Array, to: AgentMachine) => void
}

/** Handovers and migrations, with kills in the middle of them. */
export class Moves {
  readonly #options: MovesOptions
  readonly #parts: MoveParts
  #machines = 0
  /** Agents on their way. */
  underWay = 0

  constructor(options: MovesOptions) {
    this.#options = options
    this.#parts = { ...usualParts, ...options.around.swaps.move }
  }

  /** The process of an agent makes room for the next one, which its supervisor starts. */
  handOver(machine: AgentMachine): void {
    const { random, count } = this.#options
    const { agent, process } = machine
    if (agent === undefined || process?.alive !== true) return
    count('handover')
    this.#threaten(machine)
    const ended = (): void => {
      if (process.alive) process.kill('handed over')
    }
    void agent.close({ deadlineMs: random.pick([0, 300, 3_000]), handover: true }).then(ended, ended)
  }

  /** An agent is exported from one machine and imported into another; who stops it, keeps it stopped meanwhile. */
  async move(from: AgentMachine, add: (machine: AgentMachine) => void): Promise<void> {
    const { around, random, count, isCalm, moved, boot, sleep } = this.#options
    const before = from.database.image()
    if (from.over || from.resting || from.left || before === undefined || !knowsItsHub(from)) return
    this.underWay += 1
    // It goes on until it is stopped.
    await sleep(random.int(0, 1_000))
    from.resting = true
    await this.#stop(from)
    for (;;) {
      if (await this.#export(from, before)) break
      // Whoever was cut off either tries again, or starts what is there.
      if (!from.isMarked && random.chance(0.3) && !isCalm()) {
        from.resting = false
        boot(from)
        this.underWay -= 1
        return
      }
      await sleep(random.int(1, 500))
    }
    from.left = true
    const picture = from.database.image() ?? new Uint8Array()
    const bytes = from.disk.content(archive)
    const isEarly = !isCalm() && random.chance(0.3)
    if (isEarly) this.#startLeft(from)
    const to = new AgentMachine(from.name, `${from.host}-moved-${(this.#machines += 1)}`, around)
    to.resting = true
    add(to)
    while (!(await this.#import(bytes, to))) await sleep(random.int(1, 500))
    moved(picture, to)
    count('move')
    to.resting = false
    // Sometimes it moves on before it was ever started.
    if (!isCalm() && random.chance(0.2)) void this.move(to, add)
    else boot(to)
    this.underWay -= 1
    if (isEarly || isCalm() || random.chance(0.3)) return
    await sleep(random.int(0, 8_000))
    this.#startLeft(from)
  }

  /** Somebody starts what was left behind: mostly in vain, and, having removed the mark, for the hub to judge. */
  #startLeft(machine: AgentMachine): void {
    const { random, count, boot } = this.#options
    if (random.chance(0.8)) removeMoved(machine.disk.for(outside), markerPath)
    count(machine.isMarked ? 'left:refused' : 'left:started')
    machine.resting = false
    boot(machine)
  }

  /** Everything that was going on is over when it resolves. */
  async #stop(machine: AgentMachine): Promise<void> {
    const { random } = this.#options
    const { agent, process } = machine
    if (process?.alive !== true) return
    const died = new Promise<void>((resolve) => process.onDeath(resolve))
    if (agent !== undefined && random.chance(0.8)) {
      this.#threaten(machine)
      const closed = agent.close({ deadlineMs: random.pick([0, 1_000]), handover: random.chance(0.8) })
      await Promise.race([died, closed.catch(() => undefined)])
    }
    if (process.alive) process.kill('stopped to be moved')
    machine.aim(undefined)
  }

  #export(machine: AgentMachine, before: Uint8Array): Promise<boolean> {
    this.#threaten(machine)
    return runCommand(machine, 'export', async (process, platform) => {
      const { disk, random, clock } = platform
      const log = createSimulatedLog(new Trace())
      disk.makeFolder('/exports')
      // One of before, which was cut off after it had its name.
      if (disk.exists(archive)) disk.remove(archive)
      await this.#parts.exportAgent(
        {
          name: machine.name,
          folder: '/agent',
          target: archive,
          movedMarker: markerPath,
          launch: undefined,
          passphrase: undefined,
          files: machine.database.for(process, disk),
          store: { ...platform, log, open: this.#options.around.journal ? openStore : openQuickStore },
          credentials: () => openCredentials({ platform, home: '/', path: credentialsPath, log }),
          disk,
          random,
          clock,
        },
        before,
      )
    })
  }

  #import(bytes: Uint8Array, to: AgentMachine): Promise<boolean> {
    const { clock } = this.#options.around
    const port = to.disk.for(outside)
    port.makeFolder('/exports')
    port.replaceFile(archive, bytes)
    this.#threaten(to)
    const staged = new SimulatedDatabase({ clock, random: this.#options.random, imageRate: 0 })
    staged.onBoundary = () => to.boundary('database')
    return runCommand(to, 'import', async (process, platform) => {
      const { disk, random } = platform
      if (to.hasAgent) return
      for (const left of disk.list('/importing')) disk.remove(`/importing/${left}`)
      disk.makeFolder('/importing')
      importAgent({
        source: archive,
        passphrase: undefined,
        hubs: [],
        disk,
        random,
        target: () => ({
          folder: '/importing',
          files: staged.for(process, disk),
          plant: (portable, addresses) => {
            const chest = platform.openKeyChest('/', createSimulatedLog(new Trace()))
            const path = '/importing/credentials'
            this.#parts.plantCredentials({ disk, random, chest, path }, portable, addresses)
          },
          commit: () => {
            try {
              disk.rename('/importing', '/agent')
            } finally {
              // Its database is in that folder, so it comes with the rename, whoever dies right after it.
              if (to.hasAgent) to.database.putBack(staged.image() ?? new Uint8Array())
            }
            disk.syncFolder('/')
          },
        }),
      })
    })
  }

  /** It may be killed at some boundary from now on. */
  #threaten(machine: AgentMachine): void {
    const { random, boundaryMax, isCalm } = this.#options
    if (!isCalm() && random.chance(0.4)) machine.aim(random.int(1, Math.max(50, boundaryMax)))
  }
}

/** Who has never been at the hub is nobody to be moved: nothing but its files would come along. */
function knowsItsHub({ database }: AgentMachine): boolean {
  try {
    return database.look('SELECT 1 FROM session WHERE generation > 0').length > 0
  } catch (error) {
    if (error instanceof PerduraError) throw error
    return false
  }
}
