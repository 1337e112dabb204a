import type { CredentialFile } from '../../../src/credentials/credential-file.ts'
import type { HubAccess } from '../../../src/runtime/hub/hub-link.ts'
import type { HubAddresses } from '../../../src/session/hub-addresses.ts'
import type { CreateCredentials } from '../wire/agent-credentials.ts'
import type { Mishaps } from '../wire/mishaps.ts'
import type { WireMutant } from './wire-mutants.ts'

/** Two hubs that the agents know, one of which is gone for long; their clocks agree. */
const outage = (kind: Mishaps['outage']): Partial<Mishaps> => ({
  hubNodes: 2,
  hubRestores: 0,
  skewMsMax: 0,
  addresses: 2,
  outage: kind,
})

/** What is broken about several addresses of a hub. */
export const addressMutants: readonly WireMutant[] = [
  {
    name: 'an agent that takes another address for another hub',
    caughtBy: ['online', 'converges', 'one-session', 'one-accepted'],
    mishaps: outage('dead'),
    swaps: () => ({
      access: (hub, create, file) => ({
        ...hub,
        credentials: perAddress(hub.addresses, create, blind(file)),
      }),
    }),
  },
  {
    name: 'an agent that never goes to another address',
    caughtBy: ['online'],
    mishaps: outage('cut'),
    swaps: () => ({
      access: (hub) => {
        const { addresses } = hub
        addresses.failed = () => ({ isNewRound: true, waitMs: 0 })
        return hub
      },
    }),
  },
  {
    name: 'an agent that never comes back to its preferred address',
    caughtBy: ['converges'],
    mishaps: outage('dead'),
    swaps: () => ({
      access: ({ probe: _, ...hub }) => hub,
    }),
  },
]

/** The agent's file, without what hubs call themselves. */
function blind(file: CredentialFile): CredentialFile {
  const hidden: ReadonlySet<string | symbol> = new Set(['hubId', 'placeOf'])
  return inPlaceOf(
    () => file,
    (key) => (hidden.has(key) ? () => undefined : undefined),
  )
}

/** What the agent has at each address is a thing of its own. */
function perAddress(addresses: HubAddresses, create: CreateCredentials, file: CredentialFile): HubAccess {
  const all = new Map(
    addresses.list.map((address) => [address.key, create({ list: [address], current: address }, file)]),
  )
  const close = async (): Promise<void> => {
    for (const one of all.values()) await one.close()
  }
  return inPlaceOf(
    () => all.get(addresses.current.key) as HubAccess,
    (key) => (key === 'close' ? close : undefined),
  )
}

/** Does what `choose` gives does, but for what `replace` knows better. */
function inPlaceOf<T extends object>(choose: () => T, replace: (key: string | symbol) => unknown): T {
  return new Proxy(choose(), {
    get(_, key) {
      const target = choose()
      const value: unknown = replace(key) ?? Reflect.get(target, key, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
