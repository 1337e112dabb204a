import { PerduraError } from '../errors.ts'
import { isLoopback } from '../platform/loopback.ts'
import type { CredentialFile } from './credential-file.ts'

export interface MetHub {
  /** Where it was reached, such as `http://127.0.0.1:8767`. */
  readonly address: string
  /** What it calls itself. It may be lying. */
  readonly hubId: string
  /** The hub that was at this address is gone for good, and the one that is there now may take its place. */
  readonly trustNewHub: boolean
}

/**
 * The agent's place at the hub that was met: the one that it has at this address, or, where a hub on this machine has
 * only another port or spelling now, the one that it has there. ERR_HUB_IDENTITY where the hub cannot be who it says: what
 * is signed for a hub lets whoever has it log in there, and a server could pass on another hub's challenge as its own.
 */
export function placeAt(file: CredentialFile, { address, hubId, trustNewHub }: MetHub): string {
  const place = file.place(address)
  const pinned = file.hubId(place)
  if (pinned === hubId) return place
  const known = file.placeOf(hubId)
  if (known === address || (known !== undefined && isOnThisMachine(known) && isOnThisMachine(address)))
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
  if (trustNewHub) return address
  throw new PerduraError(
    'ERR_HUB_IDENTITY',
    `another hub than before answers at ${address}: check the address; if the old hub has lost its database for good, ` +
      'accept the new one with --trust-new-hub',
    { details: { hub: address } },
  )
}

function isOnThisMachine(address: string): boolean {
  return isLoopback(URL.parse(address)?.hostname ?? '')
}
