import { PerduraError } from '../errors.ts'
import { isLoopback } from '../platform/loopback.ts'
import type { CredentialFile } from './credential-file.ts'

export interface MetHub {
  /** Where it was reached, such as `http://127.0.0.1:8767`. */
  readonly address: string
  /** The addresses that a person has named for this hub, the preferred one first. */
  readonly list: readonly string[]
  /** What it calls itself. It may be lying. */
  readonly hubId: string
  /** The hub that was at this address is gone for good, and the one that is there now may take its place. */
  readonly trustNewHub: boolean
}

/** The agent's place at the hub with these addresses: that of the first one at which a hub has been met. */
export function homeOf(file: CredentialFile, list: readonly string[]): string {
  const places = list.map((address) => file.place(address))
  const met = places.find((place) => file.hubId(place) !== undefined)
  return met ?? places.find((place) => file.aiId(place) !== undefined) ?? (places[0] as string)
}

/**
 * The agent's place at the hub that was met: the one that it has at these addresses, or, where a hub on this machine has
 * only another port or spelling now, the one that it has there. ERR_HUB_IDENTITY where the hub cannot be who it says: what
 * is signed for a hub lets whoever has it log in there, and a server could pass on another hub's challenge as its own.
 */
export function placeAt(file: CredentialFile, { address, list, hubId, trustNewHub }: MetHub): string {
  const place = homeOf(file, list)
  const pinned = file.hubId(place)
  if (pinned === hubId) return place
  const known = file.placeOf(hubId)
  // One of several addresses leads to the hub of the others, or is passed over: it is no way to another place.
  const mayMove = pinned === undefined || (list.length === 1 && list[0] === address)
  if (mayMove && (known === address || (known !== undefined && areOnThisMachine(known, address))))
    return known
  if (known !== undefined) {
    throw new PerduraError(
      'ERR_HUB_IDENTITY',
      `the hub at ${address} says that it is the one known as ${known}: use that address`,
      { details: { hub: address, known } },
    )
  }
  if (pinned === undefined) return place
  // A place of its own, where the address led to that of another hub, which may be alive.
  if (trustNewHub && list.includes(address)) return list[0] as string
  throw new PerduraError(
    'ERR_HUB_IDENTITY',
    `another hub than before answers at ${address}: check the address; if the old hub has lost its database for good, ` +
      'accept the new one with --trust-new-hub',
    { details: { hub: address } },
  )
}

function areOnThisMachine(...addresses: readonly string[]): boolean {
  return addresses.every((address) => isLoopback(URL.parse(address)?.hostname ?? ''))
}
