import { homedir } from 'node:os'

/** What the user's environment says about where things are. */
export function userEnvironment(): {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly userFolder: string
  readonly workingFolder: string
} {
  return { environment: process.env, userFolder: homedir(), workingFolder: process.cwd() }
}
