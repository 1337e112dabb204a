/** The embedded hub, as the daemon calls it. */
export const hubChild = 'hub'

const prefix = 'agent:'

/** An agent, as the daemon calls it: it may have the name of the hub. */
export function agentChild(name: string): string {
  return prefix + name
}

/** The agent that is meant; undefined for the hub. */
export function agentOf(child: string): string | undefined {
  return child.startsWith(prefix) ? child.slice(prefix.length) : undefined
}
