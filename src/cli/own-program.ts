import { fileURLToPath } from 'node:url'

/** What every process of Perdura runs. */
export const programPath = fileURLToPath(new URL('../../bin/perdura.mjs', import.meta.url))

/**
 * On a machine with much memory V8 lets the space for young objects grow to 3 × 64 MB and keeps it, which a busy agent
 * then holds for ever: 219 MB after 15,000 turns, where 12 MB were in use. 4 MB make it collect a little more often.
 */
const youngSpace = '--max-semi-space-size=4'

/** What Node is given to run `perdura` with these arguments, in a process that stays. */
export function programArguments(args: readonly string[]): string[] {
  return [youngSpace, programPath, ...args]
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
