import type { Call } from './call.ts'
import { reconnectArguments } from './cloudbrain.ts'
import type { Target } from './definition.ts'
import { askedHub } from './hub-choice.ts'
import { hubHost, hubPorts } from './hub-port.ts'

/** What `perdura` is given to run an agent as this call asks for it. */
export function agentArguments(
  call: Call,
  target: Target,
  { port, greet }: { readonly port: string | undefined; readonly greet?: string | undefined },
): string[] {
  const hub = askedHub(call)
  return [
    'run',
    ...(target.launch.kind === 'file' ? [target.launch.path] : []),
    '--home',
    call.home,
    ...(target.name === undefined ? [] : ['--name', target.name]),
    ...(port === undefined ? [] : ['--port', port]),
    ...(hub === undefined ? [] : ['--hub', hub]),
    ...(call.flag('no-hub') ? ['--no-hub'] : []),
    ...(call.flag('trust-new-hub') ? ['--trust-new-hub'] : []),
    ...reconnectArguments(call),
    ...(call.flag('despite-move') ? ['--despite-move'] : []),
    ...(greet === undefined ? [] : ['--greet', greet]),
  ]
}

/** The same for the hub of the home. */
export function hubArguments({ home }: Pick<Call, 'home'>, port: number): string[] {
  const second = port === hubPorts.rest ? ['--ws-port', String(hubPorts.webSocket)] : []
  return ['hub', 'run', '--home', home, '--host', hubHost, '--port', String(port), ...second]
}
