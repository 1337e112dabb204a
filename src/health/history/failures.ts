import { parseEntries } from './entries.ts'

/** When processes of an agent have ended unexpectedly, wall-clock ms, by what its supervisor has written. */
export function failuresOf(transitions: string): number[] {
  let watchAt: number | undefined
  const times: number[] = []
  for (const entry of parseEntries(transitions)) {
    if (entry.t === 'watch') watchAt = entry.at
    else if (entry.t === 'state' && entry.failure && watchAt !== undefined) times.push(watchAt + entry.ms)
  }
  return times
}
