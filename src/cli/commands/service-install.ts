import { PerduraError } from '../../errors.ts'
import { startSeconds } from '../../daemon/service/spec.ts'
import type { ServiceHost } from '../../daemon/service/host.ts'
import type { Call } from '../call.ts'
import { endDaemon, findDaemon } from '../daemon-client.ts'
import { chooseService, specOf, type Service } from '../service-choice.ts'
import { driftOf, staleness } from '../service-drift.ts'
import { untilStarted } from '../service-start.ts'

const defaultTimeoutMs = startSeconds * 1_000

/** Makes what is missing and mends what differs; run again it finds nothing to do. */
export async function run(call: Call, given?: ServiceHost): Promise<undefined> {
  const { output } = call
  const service = await chooseService(call, 'make', given)
  const { manager, host, account, scope } = service
  const spec = specOf(call, service)
  await manager.check()
  const text = await manager.render(spec)
  const before = manager.installedText()
  const drift = before === undefined ? [] : driftOf(service, before, text)

  // The manager needs the folder before the daemon can make it: it is where the daemon is started.
  host.makeFolder(service.home, account, 0o700)
  if (manager.kind === 'launchd') host.makeFolder(`${service.home}/daemon`, account, 0o700)
  if (before !== text || (await manager.state()).stale) await manager.place(text)
  const done = before === undefined ? 'installed' : before === text ? 'unchanged' : 'repaired'
  for (const { text: what } of drift) output.note(`  ${what}`)
  const enabled = await manager.enable()
  if (call.flag('linger')) await switchLingerOn(service)
  const wasRunning = (await manager.state()).running
  const starts = !call.flag('no-start') && !wasRunning
  const timeoutMs = call.durationMs('timeout', defaultTimeoutMs)
  if (starts) {
    await letGo(call.in(service.home), timeoutMs)
    await manager.start(timeoutMs)
    await untilStarted(call, service, timeoutMs)
  }

  const state = await manager.state()
  output.line(
    `${manager.file} is ${done === 'unchanged' && enabled ? 'unchanged, and switched on again' : done}`,
  )
  output.line(`${manager.unit} is ${state.state}${state.pid === null ? '' : ` (process ${state.pid})`}`)
  for (const { text: what } of staleness(service, state)) output.note(what)
  if (done === 'repaired' && wasRunning && !state.stale)
    output.note(
      `the daemon that runs still is the old one: ${call.hint('perdura daemon restart')} replaces it, and leaves agents running`,
    )
  if (state.lingers === false) {
    output.note(
      `It stops when you log out, and starts when you log in. To have it run from the start of the machine on: ` +
        `${call.hint('perdura service install --linger')}, or sudo loginctl enable-linger ${account.name}`,
    )
  }
  if (manager.kind === 'launchd' && scope === 'user')
    output.note(
      `It runs ${manager.read(text)?.session === 'Background' ? 'from your first login on' : 'while you are logged in at the screen'}. From the start of the machine on runs what is installed with --system.`,
    )
  output.document({
    manager: manager.kind,
    scope,
    unit: manager.unit,
    file: manager.file,
    result: done,
    drift: drift.map(({ what, text: detail }) => ({ what, text: detail })),
    started: starts,
    state: { active: state.state, pid: state.pid, enabled: state.enabled, lingers: state.lingers },
  })
}

/** A daemon that somebody has started makes room: its agents go on, and the service takes them over. */
async function letGo(call: Call, timeoutMs: number): Promise<void> {
  const daemon = findDaemon(call)
  if (daemon === undefined) return
  await endDaemon(call, daemon, { keepAgents: true, timeoutMs })
  call.output.note(
    'agents that ran went on, and the service has taken them over; those that are started from now on are confined as it is',
  )
}

async function switchLingerOn({ manager, scope }: Service): Promise<void> {
  if (scope === 'system' || manager.linger === undefined)
    throw new PerduraError(
      'ERR_USAGE',
      '--linger is for services of a person that systemd keeps; leave it out here',
    )
  if ((await manager.state()).lingers !== true) await manager.linger()
}
