import { PerduraError } from '../../errors.ts'
import { startSeconds } from '../../daemon/service/spec.ts'
import type { ServiceHost } from '../../daemon/service/host.ts'
import type { Call } from '../call.ts'
import { offer } from '../confirm.ts'
import { endDaemon, findDaemon } from '../daemon-client.ts'
import { chooseService, specOf, type Service } from '../service-choice.ts'
import { driftOf, staleness } from '../service-drift.ts'
import { untilStarted } from '../service-start.ts'

const defaultTimeoutMs = startSeconds * 1_000

/** Makes what is missing and mends what differs; run again it finds nothing to do. */
export async function run(call: Call, given?: ServiceHost): Promise<undefined> {
  const { output } = call
  const service = await chooseService(call, 'make', given)
  checkLinger(call, service)
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
  const lingers = state.lingers === false ? await offerLinger(call, service) : state.lingers
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
    state: { active: state.state, pid: state.pid, enabled: state.enabled, lingers },
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

function checkLinger(call: Call, { manager, scope }: Service): void {
  if (!call.flag('linger')) return
  if (call.flag('no-linger')) throw new PerduraError('ERR_USAGE', 'give --linger or --no-linger, not both')
  if (scope === 'user' && manager.linger !== undefined) return
  throw new PerduraError(
    'ERR_USAGE',
    '--linger is for services of a person that systemd keeps; leave it out here',
  )
}

async function switchLingerOn({ manager }: Service): Promise<void> {
  if ((await manager.state()).lingers !== true) await manager.linger?.()
}

/**
 * A service of a person ends when they log out. To change that concerns all their services, so that it is not done unasked: at
 * a terminal it is asked, elsewhere it is explained. Resolves to how it is then.
 */
async function offerLinger(call: Call, service: Service): Promise<boolean> {
  const { output } = call
  const { name } = service.account
  if (call.flag('no-linger')) return false
  output.note('It stops when you log out, and starts when you log in.')
  const answer = output.json
    ? undefined
    : await offer(call, `Have it run from the start of the machine on (loginctl enable-linger ${name})?`)
  if (answer !== true) {
    output.note(
      `To have it run from the start of the machine on: ${call.hint('perdura service install --linger')}, or sudo loginctl enable-linger ${name}`,
    )
    return false
  }
  await switchLingerOn(service)
  output.line('lingering is on: it runs whether you are logged in or not')
  return true
}
