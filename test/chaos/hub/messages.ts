import type { Input } from './plan.ts'

/** What a person tells an agent's process. */
export interface ToAgent {
  readonly type: 'ingest'
  readonly input: Input
}

/** What the processes say. */
export type FromAgent =
  | { readonly type: 'ready' }
  | { readonly type: 'session'; readonly state: string }
  /** `accepted`: it is on the agent's disk. */
  | { readonly type: 'answer'; readonly id: string; readonly accepted: boolean }
  /** Something happened that must not. */
  | { readonly type: 'complaint'; readonly text: string }
