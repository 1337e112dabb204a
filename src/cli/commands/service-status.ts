import { formatDuration } from '../../duration.ts'
import type { Call } from '../call.ts'
import { listChildren } from '../daemon-child.ts'
import { findDaemon } from '../daemon-client.ts'
import { chooseService, specOf, type Service } from '../service-choice.ts'
import { driftOf, staleness, type Drift } from '../service-drift.ts'
import type { ServiceHost } from '../../daemon/service/host.ts'
import type { ServiceState } from '../../daemon/service/service-manager.ts'

export async function run(call: Call, host?: ServiceHost): Promise<number> {
  const { output } = call
  const service = await chooseService(call, 'look', host)
  const { manager, scope, home, installed } = service
  if (installed === undefined) {
    output.line(`${manager.unit} is ${output.paint('yellow', 'not installed')}`)
    output.line(output.paint('dim', `  ${call.hint('perdura service install')}`))
    output.document({
      manager: manager.kind,
      scope,
      unit: manager.unit,
      file: manager.file,
      installed: false,
    })
    return 3
  }
  await manager.check()
  const state = await manager.state()
  const daemon = await daemonOf(call.in(home))
  const drift = [
    ...driftOf(service, manager.installedText() ?? '', await manager.render(specOf(call, service))),
    ...staleness(service, state),
  ]
  print(call, service, state, drift)
  printDaemon(call, daemon)
  output.document({
    manager: manager.kind,
    scope,
    unit: manager.unit,
    file: manager.file,
    installed: true,
    home,
    active: state.state,
    detail: state.detail,
    running: state.running,
    since: state.since,
    pid: state.pid,
    restarts: state.restarts,
    enabled: state.enabled,
    lingers: state.lingers,
    status: state.said,
    leftOver: state.leftOver,
    dropIns: state.dropIns,
    stopSecondsMax: state.stopSecondsMax,
    drift: drift.map(({ what, text }) => ({ what, text })),
    daemon,
  })
  return state.running ? 0 : 3
}

function print(call: Call, service: Service, state: ServiceState, drift: readonly Drift[]): void {
  const { output } = call
  const { manager, home, account, scope } = service
  const line = (title: string, text: string): void =>
    output.line(`${output.paint('dim', title.padEnd(9))} ${text}`)
  const since = state.since === null ? '' : ` for ${formatDuration(Math.max(0, Date.now() - state.since))}`
  const detail = state.detail === '' ? '' : ` (${state.detail})`
  output.line(
    `${manager.unit} is ${output.paint(state.running ? 'green' : 'red', `${state.state}${detail}`)}${since}`,
  )
  if (state.said !== null) line('says', state.said)
  if (state.pid !== null) line('process', String(state.pid))
  if (state.restarts !== null && state.restarts > 0)
    line('restarts', `${state.restarts} by ${manager.kind}: ${manager.logs} says why`)
  line('file', manager.file)
  line('home', `${home}${scope === 'system' ? ` of ${account.name}` : ''}`)
  line('starts', startsWhen(state, service))
  if (state.leftOver.length > 0)
    line(
      'left',
      `${state.leftOver.length} processes go on without it: ${call.hint('perdura service start')} takes them over, stop ends them`,
    )
  for (const file of state.dropIns) line('also', file)
  if (state.stopSecondsMax !== null)
    line(
      'stops',
      `within ${state.stopSecondsMax} s: ${manager.kind} gives it no more, whatever its file says`,
    )
  for (const { text } of drift) line('differs', output.paint('yellow', text))
  if (drift.some(({ what }) => what !== 'stale'))
    output.line(output.paint('dim', `  ${call.hint('perdura service install')} mends it`))
}

function startsWhen(state: ServiceState, { manager, scope, installed }: Service): string {
  if (!state.enabled) return 'only by hand: perdura service install switches it on'
  if (scope === 'system' || state.lingers === true) return 'with the machine'
  if (manager.kind === 'systemd') return 'when you log in, and stops when you log out (no lingering)'
  return installed?.session === 'Background'
    ? 'when you first log in, also over ssh, and goes on when you log out'
    : 'when you log in at the screen, and stops when you log out'
}

interface DaemonFacts {
  readonly pid: number
  readonly version: string
  readonly answers: boolean
  readonly children: readonly {
    readonly child: string
    readonly state: string
    readonly pid: number | null
  }[]
}

/** What the daemon of the home says itself: it may be another process than the one that the manager knows. */
async function daemonOf(call: Call): Promise<DaemonFacts | null> {
  const daemon = findDaemon(call)
  if (daemon === undefined) return null
  const { pid, version } = daemon
  try {
    const children = await listChildren(call)
    return {
      pid,
      version,
      answers: true,
      children: children.map(({ child, state, pid: process }) => ({ child, state, pid: process })),
    }
  } catch {
    return { pid, version, answers: false, children: [] }
  }
}

function printDaemon(call: Call, daemon: DaemonFacts | null): void {
  const { output } = call
  if (daemon === null) output.line(`${output.paint('dim', 'daemon   ')} none runs in this home`)
  else if (!daemon.answers)
    output.line(`${output.paint('dim', 'daemon   ')} process ${daemon.pid} does not answer this user`)
  else {
    output.line(`${output.paint('dim', 'daemon   ')} process ${daemon.pid}, version ${daemon.version}`)
    const rows = daemon.children.map(({ child, state, pid }) => [
      child,
      state,
      pid === null ? '' : String(pid),
    ])
    if (rows.length > 0) output.table(['child', 'state', 'process'], rows)
  }
}
