import { PerduraError } from '../errors.ts'
import type { HttpAddress } from '../platform/http.ts'
import type { CredentialFile } from './credential-file.ts'
import { homeOf, placeAt } from './hub-identity.ts'

/** An address of a hub, as its credentials see it. */
export interface AskedAddress {
  /** Its one spelling, such as `http://127.0.0.1:8767`. */
  readonly key: string
  readonly rest: HttpAddress
}

/** The addresses of one hub: all that are known, and the one to ask now, which may be another one that the hub named. */
export interface AskedAddresses {
  readonly list: readonly AskedAddress[]
  readonly current: AskedAddress
}

export interface HubPlaceOptions {
  readonly file: CredentialFile
  readonly addresses: AskedAddresses
  /** Accept, once, that another hub than before is there. */
  readonly trustNewHub: boolean
}

/**
 * The agent's place at a hub, by which what it has there is found again, whichever of the hub's addresses it is reached at.
 * Only the hub that the place belongs to is told anything: who answers at an address has to show who it is before it gets
 * a token.
 */
export class HubPlace {
  readonly #options: HubPlaceOptions
  readonly #list: readonly string[]
  /** Once something was got for it, the place stays: a session goes by it. */
  #taken: string | undefined
  #address: AskedAddress
  /** Where it was asked last, and is the hub that it should be. */
  #metAt: string | undefined
  #trustNewHub: boolean

  constructor(options: HubPlaceOptions) {
    const { addresses, trustNewHub } = options
    this.#options = options
    this.#trustNewHub = trustNewHub
    this.#address = addresses.current
    this.#list = addresses.list.map(({ key }) => key)
  }

  /** Where the present requests go. */
  get address(): AskedAddress {
    return this.#address
  }

  /** The requests that follow go to the address that is current now, and stay there, wherever the hub is reached meanwhile. */
  turn(): AskedAddress {
    this.#address = this.#options.addresses.current
    return this.#address
  }

  get key(): string {
    return this.#taken ?? homeOf(this.#options.file, this.#list)
  }

  /** Whether what is kept for the hub may be shown to who answers at this address. */
  isMetAt({ key }: AskedAddress): boolean {
    return this.#metAt === key
  }

  /** What the hub of this place calls itself. There is nothing to compare where it has none, as original servers have. */
  get hubId(): string | undefined {
    return this.#options.file.hubId(this.key)
  }

  /** Whether it takes that very hub. */
  get isPinned(): boolean {
    return this.hubId !== undefined && !this.#trustNewHub
  }

  /** Who answers at this address says that it is this hub. ERR_HUB_IDENTITY where it may not be the one. */
  identify(hubId: string): void {
    const { file } = this.#options
    const address = this.address.key
    const trustNewHub = this.#trustNewHub
    const place = placeAt(file, { address, list: this.#list, hubId, trustNewHub })
    if (this.#taken !== undefined && place !== this.#taken) {
      throw new PerduraError(
        'ERR_HUB_IDENTITY',
        `the hub at ${address} has become another one, which is known as ${place}: start the agent again`,
        { details: { hub: address, known: place } },
      )
    }
    // What the hub itself names for a while is not noted, and the first one must not lead to another place than this.
    for (const known of this.#list) {
      const isMeant = known === address || known === place
      if (isMeant && file.place(known) !== place) file.recordAddress(known, place)
    }
    this.#metAt = address
  }

  /** Who answers next has to show who it is, wherever that is. */
  leave(): void {
    this.#metAt = undefined
  }

  /** Nothing is known by which it could be told from another. */
  trust(): void {
    this.#metAt = this.address.key
  }

  /** Something was got at this place, under the id that the hub has proven to keep, where it has one. */
  take(hubId: string | undefined): void {
    this.#taken = this.key
    if (hubId !== undefined) this.#trustNewHub = false
  }
}
