import type { Input } from './plan.ts'

/** What a person tells an agent's process. */
export type ToAgent =
  | { readonly type: 'ingest'; readonly input: Input }
  /** The wall clock of the machine is another from now on. */
  | { readonly type: 'jump'; readonly ms: number }
  /** A person wants a connection now. */
  | { readonly type: 'reconnect' }

/** What the processes say. */
export type FromAgent =
  /** `port`: where the hub listens. */
  | { readonly type: 'ready'; readonly port?: number }
  | { readonly type: 'session'; readonly state: string }
  /** `accepted`: it is on the agent's disk. */
  | { readonly type: 'answer'; readonly id: string; readonly accepted: boolean }
  /** Something happened that must not. */
  | { readonly type: 'complaint'; readonly text: string }
