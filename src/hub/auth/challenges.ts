import type { Random } from '../../platform/random.ts'
import type { HubTx } from '../storage.ts'

/** So long a challenge may be answered. */
export const challengeLifeS = 60

/** Draws a challenge for whoever wants to log in under this name, whether there is one or not. */
export async function issueChallenge(tx: HubTx, random: Random, name: string, now: number): Promise<string> {
  // Anybody may ask: each takes two old ones away, so that they cannot pile up.
  await sweepChallenges(tx, now, 2)
  const nonce = Buffer.from(random.bytes(32)).toString('base64url')
  await tx.run(
    'INSERT INTO login_challenges (nonce, name, expires_at) VALUES (?, ?, ?)',
    nonce,
    name,
    now + challengeLifeS * 1_000,
  )
  return nonce
}

/** Uses a challenge up; false where there is none for this name, or none any more. */
export async function takeChallenge(tx: HubTx, nonce: string, name: string, now: number): Promise<boolean> {
  const { changes } = await tx.run(
    'DELETE FROM login_challenges WHERE nonce = ? AND name = ? AND expires_at > ?',
    nonce,
    name,
    now,
  )
  return changes > 0
}

export async function sweepChallenges(tx: HubTx, now: number, limit: number): Promise<number> {
  const { changes } = await tx.run(
    `DELETE FROM login_challenges
     WHERE nonce IN (SELECT nonce FROM login_challenges WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
    now,
    limit,
  )
  return changes
}
