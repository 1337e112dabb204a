import { PerduraError } from '../../errors.ts'
import type { Random } from '../../platform/random.ts'
import { createProfile, findProfile, type Profile, profileDefaults } from '../profiles.ts'
import type { HubTx } from '../storage.ts'
import { takeChallenge } from './challenges.ts'
import { type Proof, proves } from './credentials.ts'

export interface LoginRequest {
  readonly name: string
  readonly nickname: string | undefined
  /** Must be that of the name, where it is given. */
  readonly aiId: number | undefined
  readonly proof: Proof
  readonly generation: number | undefined
  /** Whether it comes from a program on this machine. */
  readonly isLocal: boolean
}

/** By name alone is for programs on the hub's machine, and only where that was asked for. */
export function checkOpenLogin({ isLocal }: LoginRequest, openLogin: boolean): void {
  if (openLogin && isLocal) return
  const why = openLogin ? 'only from this machine' : 'not at this hub'
  throw new PerduraError(
    'ERR_OPEN_LOGIN',
    `login by name alone is allowed ${why}: send ai_secret, or nonce and signature, of a registered agent` +
      (openLogin ? '' : ', or start the hub with --open-login'),
  )
}

/** Whom the login is for; by name alone it makes a profile, as in v1. */
export async function findOrOpen(
  tx: HubTx,
  random: Random,
  { name, nickname, proof }: LoginRequest,
  now: number,
): Promise<Profile> {
  const known = await findProfile(tx, { name })
  if (known !== undefined) return known
  if (proof.kind !== 'none') {
    throw new PerduraError(
      'ERR_NO_SUCH_PROFILE',
      'no agent of this name is registered at this hub (which may have been restored): register it again',
    )
  }
  const fields = { ...profileDefaults, name, nickname: nickname ?? name }
  const created = await createProfile(tx, random, fields, { kind: 'none' }, now)
  if (created !== undefined) return created
  throw new PerduraError('ERR_HUB_STORAGE', 'somebody else has just created this profile: try again')
}

/** Throws ERR_CREDENTIALS or ERR_OPEN_LOGIN where the login does not prove to be the profile. */
export async function checkProof(
  tx: HubTx,
  {
    hubId,
    now,
    profile,
    proof,
  }: { readonly hubId: string; readonly profile: Profile; readonly proof: Proof; readonly now: number },
): Promise<void> {
  const { credential, name } = profile

  if (proof.kind === 'none') {
    if (credential.kind === 'none') return
    throw new PerduraError(
      'ERR_OPEN_LOGIN',
      `"${name}" is registered with a credential: log in with ai_secret, or with nonce and signature`,
    )
  }
  const isProven = proves(proof, credential, hubId, name)
  if (isProven && (proof.kind !== 'signature' || (await takeChallenge(tx, proof.nonce, name, now)))) return
  throw new PerduraError(
    'ERR_CREDENTIALS',
    `the secret or signature is not that of "${name}"` +
      (isProven ? ', or its challenge was used or is older than a minute: ask for another' : ''),
  )
}
