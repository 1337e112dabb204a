import type { Service } from './service-choice.ts'

/** One thing in which the installed file is not what would be installed now. */
export interface Drift {
  readonly what: 'node-gone' | 'program-gone' | 'node' | 'program' | 'content'
  readonly text: string
}

/** `now` is what would be installed; the account and the home are the installed ones. */
export function driftOf(service: Service, installed: string, now: string): Drift[] {
  const { host, manager } = service
  const [old, fresh] = [manager.read(installed), manager.read(now)]
  const found: Drift[] = []
  for (const [part, title] of [
    ['node', 'the Node'],
    ['program', 'the Perdura'],
  ] as const) {
    const [before, after] = [old?.[part], fresh?.[part]]
    if (before === undefined) continue
    if (!host.exists(before))
      found.push({ what: `${part}-gone`, text: `${title} that it starts is gone: ${before}` })
    else if (before !== after)
      found.push({
        what: part,
        text: `${title} that it starts is ${before}; this one is ${after ?? 'unknown'}`,
      })
  }
  if (found.length === 0 && installed !== now)
    found.push({ what: 'content', text: 'its file is not what this version of Perdura writes' })
  return found
}
