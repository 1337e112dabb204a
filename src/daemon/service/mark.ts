import type { ServiceScope } from './spec.ts'

/** Which service a daemon is: its manager tells it by this variable, and its record has the same text. */
export const serviceVariable = 'PERDURA_SERVICE'

/** Which file a manager has started the daemon by, where the manager does not tell otherwise: the digest of it. */
export const fileVariable = 'PERDURA_SERVICE_FILE'

export interface ServiceMark {
  readonly manager: 'systemd' | 'launchd'
  readonly scope: ServiceScope
  readonly name: string
}

export function formatMark({ manager, scope, name }: ServiceMark): string {
  return `${manager}:${scope}:${name}`
}

/** Undefined for what no service of ours is called. */
export function parseMark(text: string | null | undefined): ServiceMark | undefined {
  const [, manager, scope, name] = /^(systemd|launchd):(user|system):([\w-]+)$/.exec(text ?? '') ?? []
  if (name === undefined) return undefined
  return {
    manager: manager === 'launchd' ? 'launchd' : 'systemd',
    scope: scope === 'system' ? 'system' : 'user',
    name,
  }
}
