import type { Claims } from '../../protocol/claims.ts'
import type { Family } from './families.ts'
import { signToken } from './jwt.ts'
import type { SigningKeys } from './keys.ts'

export interface MintSettings {
  readonly hubId: string
  readonly keys: SigningKeys
  readonly accessTtlS: number
  readonly plainAccessTtlS: number
}

export interface Login {
  readonly aiId: number
  readonly name: string
  readonly nickname: string
  readonly accessToken: string
  readonly refreshToken: string
  readonly expiresInS: number
}

/** The pair of the family's leaf. Nothing in it is drawn or read from a clock, so that it can be made again. */
export function mintPair(family: Family, name: string, now: number, settings: MintSettings): Login {
  const { hubId, keys } = settings
  const accessTtlS = family.generation === undefined ? settings.plainAccessTtlS : settings.accessTtlS
  const iat = Math.floor(family.rotatedAt / 1_000)
  const { aiId, generation, leaf, nickname, rotations: rotation, sid } = family
  const common = {
    iss: hubId,
    aud: hubId,
    sid,
    ai_id: aiId,
    ai_name: name,
    ai_nickname: nickname,
    iat,
    rotation,
    ...(generation === undefined ? {} : { generation }),
  }
  const sign = (claims: Claims): string => signToken(keys.current, claims)
  const ageS = Math.max(0, Math.ceil((now - family.rotatedAt) / 1_000))
  return {
    aiId,
    name,
    nickname,
    accessToken: sign({ ...common, type: 'access', jti: `${leaf}.access`, exp: iat + accessTtlS }),
    refreshToken: sign({ ...common, type: 'refresh', jti: leaf, exp: Math.floor(family.expiresAt / 1_000) }),
    expiresInS: Math.max(0, accessTtlS - ageS),
  }
}
