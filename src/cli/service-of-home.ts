import path from 'node:path'
import { createNodeServiceHost, type ServiceHost } from '../daemon/service/host.ts'
import { readPlist } from '../daemon/service/launchd-plist.ts'
import { formatMark, parseMark, type ServiceMark } from '../daemon/service/mark.ts'
import type { ServiceManager } from '../daemon/service/service-manager.ts'
import { readUnit, unitFolder } from '../daemon/service/systemd-unit.ts'
import { PerduraError } from '../errors.ts'
import type { Call } from './call.ts'
import { openManager } from './service-choice.ts'

/** The service that keeps the daemon of a home, and whether this person may tell its manager what to do. */
export interface ServiceOfHome {
  readonly mark: ServiceMark
  readonly mayControl: boolean
  readonly manager: ServiceManager
}

/** The service that is installed for this home, of this person or of the machine; undefined where none is. */
export async function findServiceOfHome(
  call: Call,
  host: ServiceHost = createNodeServiceHost(),
): Promise<ServiceOfHome | undefined> {
  const account = await host.account()
  if (account === undefined) return undefined
  const darwin = host.platform === 'darwin'
  for (const scope of ['user', 'system'] as const) {
    const folder = darwin ? plistFolder(scope, account.home) : unitFolder(scope, account, host.environment)
    for (const file of host.list(folder)) {
      const name = /^(?:local\.)?([\w-]+)\.(?:service|plist)$/.exec(file)?.[1]
      if (name === undefined) continue
      const text = readable(host, path.join(folder, file))
      const installed = text === undefined ? null : darwin ? readPlist(text) : readUnit(text)
      if (installed?.home !== call.home) continue
      const mark: ServiceMark = { manager: darwin ? 'launchd' : 'systemd', scope, name }
      return await serviceOf(call, host, mark)
    }
  }
  return undefined
}

/** The service that a daemon says it is; undefined where it is none. */
export async function serviceOfMark(call: Call, text: string | null): Promise<ServiceOfHome | undefined> {
  const mark = parseMark(text)
  return mark === undefined ? undefined : await serviceOf(call, createNodeServiceHost(), mark)
}

/** What to tell somebody who cannot do to the service what is to be done. */
export function notYours(call: Call, { mark, manager }: ServiceOfHome, verb: 'start' | 'stop'): PerduraError {
  const name = mark.name === 'perdura' ? '' : ` --name ${mark.name}`
  return new PerduraError(
    'ERR_USAGE',
    `the daemon of this home is the service ${manager.unit} of the machine: sudo ${call.program} service ${verb} --system${name}`,
    { details: { service: formatMark(mark) } },
  )
}

async function serviceOf(
  call: Call,
  host: ServiceHost,
  mark: ServiceMark,
): Promise<ServiceOfHome | undefined> {
  const account = await host.account()
  if (account === undefined) return undefined
  return {
    mark,
    mayControl: mark.scope === 'user' || host.uid === 0,
    manager: openManager(host, call, mark.scope, mark.name, account),
  }
}

function readable(host: ServiceHost, file: string): string | undefined {
  try {
    return host.read(file)
  } catch {
    return undefined // somebody else's
  }
}

function plistFolder(scope: 'user' | 'system', home: string): string {
  return scope === 'system' ? '/Library/LaunchDaemons' : path.join(home, 'Library', 'LaunchAgents')
}
