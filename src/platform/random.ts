export interface Random {
  /** `count` unpredictable bytes. */
  bytes(count: number): Uint8Array
  /** A UUID, version 4 (RFC 9562). */
  uuid(): string
  /** Uniform in [0, 1): for jitter, never for secrets. */
  fraction(): number
}
