import type { AuthClient, Grant } from './auth-client.ts'
import type { CredentialFile } from './credential-file.ts'
import type { HubPlace } from './hub-place.ts'
import type { Moment } from './moment.ts'

/** What a hub has given, and all that has to be noted with it. */
export interface Granted {
  readonly grant: Grant
  /** From before the request: the tokens never live longer than counted from here. */
  readonly startMs: number
  readonly got: Moment
  readonly generation: number
  /** Of a hub that has said who it is. */
  readonly hubId?: string
  readonly isRefresh: boolean
  readonly unsettled?: Moment | undefined
}

/** What the ways to a token have in common. */
export interface Desk {
  readonly client: AuthClient
  readonly file: CredentialFile
  readonly place: HubPlace
  /** Reads both clocks at once. */
  readonly start: () => { readonly startMs: number; readonly got: Moment }
}
