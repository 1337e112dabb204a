import { networkInterfaces } from 'node:os'
import type { NetworkWatch } from '../network-watch.ts'

/** Node is not told of changes, so it looks: some 50 µs each time. */
const everyMs = 3_000

/** By the addresses of this machine under which others can be reached. */
export function createNodeNetworkWatch(look: () => readonly string[] = addresses): NetworkWatch {
  return {
    watch(changed) {
      let before = new Set(look())
      const timer = setInterval(() => {
        const after = new Set(look())
        const come = [...after.difference(before)]
        const gone = [...before.difference(after)]
        before = after
        if (come.length + gone.length === 0) return
        const what = [...come.map((address) => `+${address}`), ...gone.map((address) => `-${address}`)]
        changed(`the addresses of this machine have changed (${what.slice(0, shownMax).join(' ')})`)
      }, everyMs)
      // It is no reason to keep a process running.
      timer.unref()
      return () => clearInterval(timer)
    },
  }
}

const shownMax = 4

/**
 * Without loopback, and without the addresses that each link gives itself: every container that starts on a machine brings
 * an interface with one of those, and leads nowhere new.
 */
function addresses(): string[] {
  return Object.values(interfaces()).flatMap((list = []) =>
    list
      .filter(({ internal, address }) => !internal && !/^(fe[89ab].:|169\.254\.)/i.test(address))
      .map(({ address }) => address),
  )
}

/** Where the system does not tell, nothing ever changes. */
function interfaces(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces()
  } catch {
    return {}
  }
}
