import { plantCredentials } from '../../../../src/credentials/portable-credentials.ts'
import { exportAgent, type ExportAbout } from '../../../../src/runtime/move/export-agent.ts'
import { importAgent } from '../../../../src/runtime/move/import-agent.ts'
import { openCredentials } from '../../../../src/runtime/hub/open-credentials.ts'
import { openStore } from '../../../../src/store/open-store.ts'
import { SimulatedDatabase } from '../../../../src/testing/database.ts'
import { isDeath } from '../../../../src/testing/death.ts'
import { outside, SimulatedProcess } from '../../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../../src/testing/simulated-log.ts'
import { Trace } from '../../../../src/testing/trace.ts'
import { HubWorld, type Place } from '../hub/hub-world.ts'

export const archive = '/exports/ada'
const home = '/'
const log = createSimulatedLog(new Trace())
export const marker = '/agent/moved.json'

/** Exports and imports with their real code, in processes that can be killed at any boundary. */
export class MoveWorld extends HubWorld {
  /** Calls of disk and database that the last command made, twice each. */
  boundaries = 0

  /** Undefined where the process died at the `dieAt`-th call of its disk or database. */
  async export(place: Place, dieAt?: number): Promise<ExportAbout | undefined> {
    return this.#run(place, dieAt, async (process) => {
      const platform = this.platform(process, place.disk)
      const { disk, random, clock } = platform
      disk.makeFolder('/exports')
      const { about } = await exportAgent({
        name: 'Ada',
        folder: '/agent',
        target: archive,
        movedMarker: marker,
        launch: { kind: 'reflex' },
        passphrase: undefined,
        files: place.database.for(process, disk),
        store: { ...platform, log, open: openStore },
        credentials: () => openCredentials({ platform, home, path: '/agent/credentials', log }),
        disk,
        random,
        clock,
      })
      return about
    })
  }

  /** Into a new place, from the archive that `from` has. */
  async import(from: Place, place: Place, dieAt?: number, hub?: string): Promise<ExportAbout | undefined> {
    const port = place.disk.for(outside)
    port.makeFolder('/exports')
    port.replaceFile(archive, from.disk.content(archive))
    return this.#run(place, dieAt, async (process) => {
      const { disk, random, openKeyChest } = this.platform(process, place.disk)
      const staged = new SimulatedDatabase({ clock: this.clock, random: this.random, imageRate: 0 })
      staged.onBoundary = (boundary, asked) => place.database.onBoundary?.(boundary, asked)
      for (const left of disk.list('/importing')) disk.remove(`/importing/${left}`)
      disk.makeFolder('/importing')
      const about = importAgent({
        source: archive,
        passphrase: undefined,
        hubs: hub === undefined ? [] : [hub],
        disk,
        random,
        target: () => ({
          folder: '/importing',
          files: staged.for(process, disk),
          plant: (portable, addresses) =>
            plantCredentials(
              { disk, random, chest: openKeyChest(home, log), path: '/importing/credentials' },
              portable,
              addresses,
            ),
          commit: () => {
            try {
              disk.rename('/importing', '/agent')
            } finally {
              // Its database is in that folder, so it comes with the rename, whoever dies right after it.
              if (arrived(place)) place.database.putBack(staged.image() ?? new Uint8Array())
            }
            disk.syncFolder('/')
          },
        }),
      })
      return about
    })
  }

  async #run<T>(
    place: Place,
    dieAt: number | undefined,
    act: (process: SimulatedProcess) => Promise<T>,
  ): Promise<T | undefined> {
    const process = new SimulatedProcess({ pid: 77, name: 'a command' })
    this.boundaries = 0
    const boundary = (): void => {
      if ((this.boundaries += 1) === dieAt) process.dieHere('killed at a boundary')
    }
    place.disk.beforeOperation = boundary
    place.disk.afterOperation = boundary
    place.database.onBoundary = boundary
    const died = new Promise<undefined>((resolve) => process.onDeath(() => resolve(undefined)))
    const acted = act(process).catch((error: unknown) => {
      if (isDeath(error)) return new Promise<undefined>(() => undefined)
      throw error
    })
    try {
      return await this.clock.settle(Promise.race([acted, died]), { withinMs: 600_000 })
    } finally {
      place.disk.beforeOperation = undefined
      place.disk.afterOperation = undefined
      place.database.onBoundary = undefined
      if (process.alive) process.kill('the command has ended')
    }
  }
}

/** Whether there is an agent, as whoever starts one sees it. */
export function arrived({ disk }: Place): boolean {
  return disk.files().some((path) => path.startsWith('/agent/'))
}
