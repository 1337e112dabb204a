import { createHash, createPublicKey, timingSafeEqual, verify } from 'node:crypto'
import { loginText } from '../../protocol/rest.ts'
import type { Credential } from '../profiles.ts'

/** What a login shows for itself. */
export type Proof =
  | { readonly kind: 'none' }
  | { readonly kind: 'secret'; readonly secret: string }
  | { readonly kind: 'signature'; readonly nonce: string; readonly signature: string }

/**
 * What is kept of a secret. A plain digest is enough for secrets that are drawn and not thought up, as ours are; the name
 * is part of it, so that equal secrets do not show.
 */
export function credentialOfSecret(name: string, secret: string): Credential {
  const value = createHash('sha256').update(`perdura-secret:${name}:${secret}`).digest('hex')
  return { kind: 'secret', value }
}

/** Undefined where the text is not 32 bytes in base64url, in their one spelling. */
export function credentialOfKey(text: string): Credential | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.length === 32 && bytes.toString('base64url') === text
    ? { kind: 'key', value: text }
    : undefined
}

/** Whether the proof is one of this credential; that its nonce is fresh is not looked at here. */
export function proves(proof: Proof, credential: Credential, hubId: string, name: string): boolean {
  if (proof.kind === 'secret' && credential.kind === 'secret') {
    const given = credentialOfSecret(name, proof.secret)
    return given.kind === 'secret' && timingSafeEqual(Buffer.from(given.value), Buffer.from(credential.value))
  }
  if (proof.kind === 'signature' && credential.kind === 'key') {
    return isSignedBy(credential.value, loginText(hubId, name, proof.nonce), proof.signature)
  }
  return false
}

/** Whether this Ed25519 key (32 bytes in base64url) has signed the text. */
export function isSignedBy(publicKey: string, text: string, signature: string): boolean {
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' })
    return verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64url'))
  } catch {
    // A key that is no point of the curve.
    return false
  }
}
