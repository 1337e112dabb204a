import { spawnSync } from 'node:child_process'

/** How a program in a container ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Why a container that takes these programs cannot be run here; undefined where one can. `packages` have them. */
export function whyNoContainer(programs: readonly string[], packages: string): string | undefined {
  if (process.platform !== 'linux') return 'it needs Linux'
  if (process.getuid?.() !== 0) return 'it needs root'
  const missing = programs.filter((program) => spawnSync('which', [program]).status !== 0)
  return missing.length === 0 ? undefined : `it needs ${missing.join(' and ')} (apt-get install ${packages})`
}
