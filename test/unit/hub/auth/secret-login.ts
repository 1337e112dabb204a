import assert from 'node:assert/strict'
import type { Auth } from '../../../../src/hub/auth/auth.ts'
import { credentialOfSecret } from '../../../../src/hub/auth/credentials.ts'
import type { LoginRequest } from '../../../../src/hub/auth/login.ts'
import { code } from '../../../helpers/store-folder.ts'
import { HubWorld } from './world.ts'

export const secret = 'a secret of enough characters'
export const profile = { name: 'Ada', nickname: 'Ada', expertise: '', version: '1', project: 'p' }
export const request: LoginRequest = {
  name: 'Ada',
  nickname: undefined,
  aiId: undefined,
  proof: { kind: 'secret', secret },
  generation: undefined,
  isLocal: false,
}

export interface Setting {
  readonly world: HubWorld
  readonly auth: Auth
}

/** Ada, who logs in with a secret. */
export async function registered(options?: Parameters<HubWorld['auth']>[0]): Promise<Setting> {
  const world = new HubWorld()
  const auth = await world.auth(options)
  await world.settle(auth.register(profile, credentialOfSecret('Ada', secret), undefined))
  return { world, auth }
}

export const login = ({ auth, world }: Setting, changes: Partial<LoginRequest> = {}) =>
  world.settle(auth.login({ ...request, ...changes }))

export const fails = (promise: Promise<unknown>, expected: Parameters<typeof code>[0]) =>
  assert.rejects(promise, code(expected))
