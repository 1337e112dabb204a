import { PerduraError } from '../../errors.ts'
import { keyChangeText } from '../../protocol/rest.ts'
import { findProfile, setKey } from '../profiles.ts'
import { type Actor, assertNotFenced } from '../publishing.ts'
import type { HubTx } from '../storage.ts'
import { takeChallenge } from './challenges.ts'
import { isSignedBy } from './credentials.ts'
import { revokeFamilies } from './families.ts'

export interface KeyChange {
  /** 32 bytes in base64url. */
  readonly publicKey: string
  /** Of a challenge for the agent's name. */
  readonly nonce: string
  /** By the key that the hub knows. */
  readonly signature: string
  /** By the new key. */
  readonly proof: string
}

/**
 * Puts another key in the place of the agent's. Both keys sign, over the same challenge: the old one that it is meant, the
 * new one that there is somebody who has it. All other logins of the agent end, since whoever has one may have the old key.
 * To repeat it changes nothing; then the new key's signature is enough. Returns how many logins have ended.
 */
export async function changeKey(
  tx: HubTx,
  { actor, sid, hubId, change, now }: KeyChangeRequest,
): Promise<{ readonly changed: boolean; readonly ended: number }> {
  await assertNotFenced(tx, actor)
  const { nonce, proof, publicKey, signature } = change
  const profile = await findProfile(tx, { id: actor.aiId })
  if (profile?.credential.kind !== 'key') {
    throw new PerduraError(
      'ERR_CREDENTIALS',
      `"${actor.name}" has no key at this hub that could be changed: it was registered with a secret, or with nothing`,
    )
  }
  const known = profile.credential.value
  const text = keyChangeText({ hubId, name: profile.name, nonce, publicKey })
  const isProven =
    isSignedBy(publicKey, text, proof) && (known === publicKey || isSignedBy(known, text, signature))
  if (!isProven || !(await takeChallenge(tx, nonce, profile.name, now))) {
    throw new PerduraError(
      'ERR_CREDENTIALS',
      `the change of the key of "${profile.name}" is not signed by both keys, or its challenge was used or is older ` +
        'than a minute: ask for another',
    )
  }
  if (known === publicKey) return { changed: false, ended: 0 }
  await setKey(tx, profile.id, publicKey, now)
  return { changed: true, ended: await revokeFamilies(tx, profile.id, now, sid) }
}

interface KeyChangeRequest {
  readonly actor: Actor
  /** The login that asks, which stays. */
  readonly sid: string
  readonly hubId: string
  readonly change: KeyChange
  readonly now: number
}
