import { PerduraError } from '../errors.ts'
import { listAgents } from '../runtime/home.ts'
import type { Call } from './call.ts'
import { eachAgent, type AgentResult } from './chosen-agents.ts'
import { agentChild, agentOf, hubChild } from './child-name.ts'
import { listChildren, showChild, tellChild, untilReady, type ShownChild } from './daemon-child.ts'
import { ensureDaemon } from './daemon-client.ts'
import { resolveTarget } from './definition.ts'
import { agentLaunch, hubLaunch } from './daemon-launch.ts'
import { askedHub, hubOfEnvironment } from './hub-choice.ts'
import { lastPlace, runningHub } from './hub-record.ts'
import { chooseHubPort, hubHost, tryPort } from './hub-port.ts'
import type { Launch } from './launch.ts'

const defaultTimeoutMs = 60_000
const portAttemptsMax = 5

/** Starts what was named, and waits until it is ready. */
export async function startNamed(call: Call, named: readonly (string | undefined)[]): Promise<number> {
  if (named.length > 1 && (call.text('name') !== undefined || call.text('port') !== undefined))
    throw new PerduraError('ERR_USAGE', '--name and --port go with one agent')
  // A slip of the pen starts no daemon.
  if (named.length === 1) resolveTarget(call, named[0])
  await ensureDaemon(call)
  const children = await listChildren(call)
  const homeHub = runningHub(call) !== undefined || children.some(({ child }) => child === hubChild)
  const names = named.map((argument) => argument ?? call.text('name') ?? '')
  return await eachAgent(call, { names, single: names.length === 1 }, async (argument) => {
    const { name, launch } = await agentLaunch(call, named[names.indexOf(argument)], {
      port: call.text('port'),
      takeover: call.flag('takeover'),
      homeHub,
    })
    return await startAgent(call, name, launch)
  })
}

/** Starts what is wanted and does not run; in a home that has nothing yet a hub and two agents, as `up` does. */
export async function startWanted(call: Call): Promise<number> {
  await ensureDaemon(call)
  const children = await listChildren(call)
  if (children.length === 0) {
    const others = listAgents(call.disk, call.home).filter((name) => name !== 'Ada' && name !== 'Bo')
    if (others.length === 0) return await startThree(call)
    throw new PerduraError(
      'ERR_USAGE',
      'the daemon has not kept any agent of this home running yet: name those that it is to, or give --all',
    )
  }
  const wanted = children.filter(({ wanted: isWanted }) => isWanted)
  await Promise.all(wanted.map(({ child }) => tellChild(call, child, 'start')))
  for (const { child } of wanted) if (child === hubChild) await settle(call, hubChild, undefined)
  const names = wanted.flatMap(({ child }) => agentOf(child) ?? [])
  if (names.length === 0)
    call.output.note(`everything was stopped: start one with ${call.hint('perdura start <agent>')}`)
  return await eachAgent(call, { names, single: false }, async (name) => ({
    document: await report(
      call,
      name,
      children.find(({ child }) => child === agentChild(name)),
    ),
  }))
}

/** Has the daemon run an agent; resolves when it is ready. One that runs already is as it should be. */
async function startAgent(call: Call, name: string, launch: Launch): Promise<AgentResult> {
  const child = agentChild(name)
  const before = await showChild(call, child)
  await tellChild(call, child, 'start', launch)
  return { document: await report(call, name, before) }
}

async function startThree(call: Call): Promise<number> {
  const asked = call.flag('no-hub') || askedHub(call) !== undefined || hubOfEnvironment(call) !== undefined
  const moved = asked ? false : await startHub(call)
  const port = call.text('port')
  const launches = await Promise.all(
    ['Ada', 'Bo'].map((name, index) =>
      agentLaunch(call, name, {
        port: index === 0 ? port : port === undefined ? undefined : '0',
        takeover: call.flag('takeover') || moved,
        homeHub: !asked,
        greet: index === 0 ? 'Bo' : undefined,
      }),
    ),
  )
  const names = launches.map(({ name }) => name)
  return await eachAgent(call, { names, single: false }, (name) =>
    startAgent(call, name, launches[names.indexOf(name)]?.launch as Launch),
  )
}

/**
 * Has the daemon run the hub of this home, where nobody else does. Resolves when it is ready, to whether it is elsewhere than
 * it was: its agents have to take their own sessions over then.
 */
export async function startHub(call: Call, wantedPort?: number): Promise<boolean> {
  const before = await showChild(call, hubChild)
  const here = runningHub(call)
  if (before === undefined && here !== undefined && here.daemon !== true) {
    call.output.note(`the hub of this home runs already, in process ${here.pid}: it is used`)
    return false
  }
  const isUp = before?.state === 'running' || before?.state === 'starting'
  const last = lastPlace(call.disk, call.home)
  if (isUp || here !== undefined) {
    await tellChild(call, hubChild, 'start', isUp ? undefined : hubLaunch(call, last?.port ?? 0))
    await settle(call, hubChild, before)
    return false
  }
  const port = await startAtFreePort(call, last?.host === hubHost ? last.port : undefined, wantedPort)
  return last !== undefined && last.port !== port
}

/** A port that was free a moment ago may be another program's by now: then the next one is chosen, unless a person chose it. */
async function startAtFreePort(
  call: Call,
  last: number | undefined,
  wantedPort: number | undefined,
): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const before = await showChild(call, hubChild)
    const port = await portFor(call, last, wantedPort)
    await tellChild(call, hubChild, 'start', hubLaunch(call, port))
    try {
      await settle(call, hubChild, before)
      return port
    } catch (error) {
      const isTaken = error instanceof PerduraError && error.code === 'ERR_PORT_IN_USE'
      const isOurChoice = wantedPort === undefined || wantedPort === 0
      if (!isTaken || !isOurChoice || attempt === portAttemptsMax) throw error
    }
  }
}

async function portFor(call: Call, last: number | undefined, wanted: number | undefined): Promise<number> {
  // Any that is free: but the same one each time, since its agents know it by that.
  if (wanted === 0) return (await tryPort(last ?? 0)) ?? (await tryPort(0)) ?? 0
  return wanted ?? (await chooseHubPort(call, last))
}

async function report(call: Call, name: string, before: ShownChild | undefined): Promise<object> {
  const wasRunning = before?.state === 'running'
  const shown = await settle(call, agentChild(name), before)
  const { pid, safeMode } = shown
  call.output.note(
    wasRunning
      ? `${name} runs already, in process ${pid}`
      : `${name} is running, in process ${pid}${safeMode ? ', in safe mode' : ''}`,
  )
  return {
    agent: name,
    running: true,
    was_running: wasRunning,
    pid,
    safe_mode: safeMode,
  }
}

async function settle(call: Call, child: string, before: ShownChild | undefined): Promise<ShownChild> {
  const timeoutMs = call.durationMs('timeout', defaultTimeoutMs)
  return await untilReady(call, child, { before, timeoutMs, anew: false })
}
