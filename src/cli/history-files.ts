import { join } from 'node:path'

/** Where the history of an agent or the hub is, below its folder. */
export function historyFiles(folder: string): {
  readonly transitions: string
  readonly samples: string
  /** Until when it was watched. */
  readonly mark: string
} {
  const below = (name: string): string => join(folder, 'health', name)
  return { transitions: below('transitions'), samples: below('samples'), mark: below('mark') }
}
