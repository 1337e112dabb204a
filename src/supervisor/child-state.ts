import type { ChildExit } from '../platform/child.ts'
import type { ChildMode, EndReason } from './exits.ts'

/** The states of a child; what they mean and how they are entered and left stands above `SupervisedChild`. */
export type ChildState =
  | { readonly name: 'stopped' }
  | { readonly name: 'queued'; readonly delayMs: number }
  | {
      readonly name: 'starting'
      readonly pid: number | undefined
      readonly mode: ChildMode
      readonly adopted: boolean
    }
  | {
      readonly name: 'running'
      readonly pid: number | undefined
      readonly mode: ChildMode
      readonly adopted: boolean
    }
  | {
      readonly name: 'backing-off'
      readonly delayMs: number
      readonly exit: ChildExit
      readonly reason: EndReason
      /** It fails too often and has no safe mode: it is tried slowly. */
      readonly crashLooping: boolean
    }
  | { readonly name: 'restarting'; readonly pid: number | undefined; readonly reason: EndReason }
  | {
      readonly name: 'killing'
      readonly pid: number | undefined
      readonly reason: 'hung' | 'start-timeout'
    }
  | { readonly name: 'stopping'; readonly pid: number | undefined }
  | { readonly name: 'failed' | 'finished'; readonly exit: ChildExit; readonly reason: EndReason }
  | { readonly name: 'left' }

/** Whether it may help a child that its definition was changed: it waits, has failed, or goes on without its mind. */
export function awaitsMending({ name }: ChildState, isInSafeMode: boolean): boolean {
  switch (name) {
    case 'backing-off':
    case 'failed':
      return true
    case 'queued':
    case 'starting':
    case 'running':
    case 'restarting':
    case 'killing':
      return isInSafeMode
    // Whatever it was in, nobody wants it any more.
    case 'stopping':
    case 'stopped':
    case 'finished':
    case 'left':
      return false
  }
}

/** What a message of a child means to its supervisor; any other one is only passed on. */
export type ChildWord =
  | { readonly kind: 'ready' }
  | Beat
  /** It is about to end by itself in favour of the next one, within so long, ms. */
  | { readonly kind: 'handover'; readonly withinMs: number }
  /** Why it is about to end, or will not get ready, in its own words. */
  | { readonly kind: 'failed'; readonly text: string }
  /** Its event loop is about to stand still, for so long at most, ms: nothing is heard of it meanwhile. */
  | { readonly kind: 'busy'; readonly forMs: number }

/** It is there, and its event loop turns. */
export interface Beat {
  readonly kind: 'beat'
  /** Turns since its start. */
  readonly turnsDone: number
  /** There is work that could be done, nothing is being done, and for long nothing has been. */
  readonly stalled: boolean
  readonly rssBytes: number
  /** What it was started in, by its own word; left out by one that has no safe mode. */
  readonly mode?: ChildMode
}
