import { fileURLToPath } from 'node:url'

/** What every process of Perdura runs. */
export const programPath = fileURLToPath(new URL('../../bin/perdura.mjs', import.meta.url))

/** What runs in a process that stays. */
export type ProgramKind = 'agent' | 'hub' | 'daemon'

/**
 * Of the space for young objects, MB. On a machine with much memory V8 lets it grow to 3 × 64 MB and keeps it, which a busy agent
 * then holds for ever: 219 MB after 15,000 turns, where 12 MB were in use. The smaller it is, the more often V8 collects: with 1
 * instead of 4 an idle agent takes 5 MB less, and a message, of half a millisecond, 5 % more. A hub has thousands of them in a second.
 */
const youngMb: Readonly<Record<ProgramKind, number>> = { agent: 1, daemon: 1, hub: 4 }

/**
 * For the C library's allocator, where that is glibc's (others do not know it): threads that allocate share one arena, and what is
 * free at its end goes back to the system. Otherwise each thread has one of its own, and the more is kept the larger what was
 * freed before.
 */
const allocator = 'glibc.malloc.arena_max=1:glibc.malloc.trim_threshold=1048576'

/** What Node is given to run `perdura` with these arguments, in a process that stays. */
export function programArguments(kind: ProgramKind, args: readonly string[]): string[] {
  return [`--max-semi-space-size=${youngMb[kind]}`, programPath, ...args]
}

/** What such a process has in its environment. What a person has set is left as it is. */
export function programEnvironment(
  given: Readonly<Record<string, string | undefined>> = process.env,
): Readonly<Record<string, string>> {
  return given['GLIBC_TUNABLES'] === undefined ? { GLIBC_TUNABLES: allocator } : {}
}

/** Takes it out again, once the C library has read it: it is not meant for the programs that this one starts. */
export function forgetProgramEnvironment(
  environment: Record<string, string | undefined> = process.env,
): void {
  if (environment['GLIBC_TUNABLES'] === allocator) delete environment['GLIBC_TUNABLES']
}

/** The Node that a clone brings along, where this is one. */
export async function packagedNodes(): Promise<() => readonly string[]> {
  // Plain JavaScript, which has to run without anything of ours.
  const { packagedNode } = (await import(new URL('../../bin/node24.mjs', import.meta.url).href)) as {
    packagedNode: (this: void, root: string) => { readonly path: string } | undefined
  }
  const root = fileURLToPath(new URL('../..', import.meta.url))
  return () => {
    const found = packagedNode(root)
    return found === undefined ? [] : [found.path]
  }
}
