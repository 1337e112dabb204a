import { join } from 'node:path'

/** Where the history of an agent or the hub is, below its folder. */
export function historyFiles(folder: string): { readonly transitions: string; readonly samples: string } {
  return { transitions: join(folder, 'health', 'transitions'), samples: join(folder, 'health', 'samples') }
}
