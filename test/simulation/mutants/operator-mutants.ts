import type { Admission } from '../../../src/hub/admission/admission.ts'
import { hubParts } from '../../../src/hub/parts.ts'
import type { HubStorage } from '../../../src/hub/storage.ts'
import { noUnrest, type Mishaps } from '../wire/mishaps.ts'
import type { WireMutant } from './wire-mutants.ts'

/** Nothing else that would end a connection. */
const undisturbed: Partial<Mishaps> = {
  ...noUnrest,
  hubDeaths: 0,
  agentDeaths: 0,
  cuts: 0,
  partitions: 0,
  lossRate: 0,
  hubRestores: 0,
  agentRestores: 0,
  clones: 0,
}

/** Hubs that do not do as who runs them wants. */
export const operatorMutants: readonly WireMutant[] = [
  {
    name: 'a hub that never hears of revocations',
    caughtBy: ['revocations-heeded'],
    mishaps: { ...undisturbed, revocations: 6 },
    swaps: () => ({ storage: deafToRevocations }),
  },
  {
    name: 'an admission that counts the handshakes that it refused',
    caughtBy: ['converges'],
    mishaps: { ...undisturbed, tightAdmission: true, cuts: 20 },
    swaps: () => ({
      hub: { createAdmission: (options) => countsRefused(hubParts.createAdmission(options)) },
    }),
  },
]

/** The last that it hears of logins is what it heard first. */
function deafToRevocations(storage: HubStorage): HubStorage {
  return {
    write: (operation) => storage.write(operation),
    close: () => storage.close(),
    read: (operation) =>
      storage.read((reader) =>
        operation({
          get: (sql, ...parameters) => reader.get(sql, ...parameters),
          async all<Row>(sql: string, ...parameters: Parameters<typeof reader.all>[1][]) {
            const rows = await reader.all<Row>(sql, ...parameters)
            return sql.includes('login_changes') ? rows.slice(0, 1) : rows
          },
        }),
      ),
  }
}

function countsRefused(admission: Admission): Admission {
  let refused = 0
  return {
    admitLogin: (caller) => admission.admitLogin(caller),
    spread: (count) => admission.spread(count),
    admit(caller) {
      const answer =
        refused >= 4 ? ({ kind: 'refused', why: 'crowded', waitMs: 1_000 } as const) : admission.admit(caller)
      if (answer.kind === 'refused') refused += 1
      return answer
    },
  }
}
