import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { signalProcess } from '../platform/node/signal-process.ts'
import { isAlive } from '../platform/process-table.ts'
import { SettingsSource } from '../settings/settings.ts'
import type { Call } from './call.ts'
import { hubChild } from './child-name.ts'
import { resolveTarget, type Target } from './definition.ts'
import type { FleetPlan } from './fleet.ts'
import { reconnectSettings } from './cloudbrain.ts'
import { askedHub, chooseHub, hubOfEnvironment } from './hub-choice.ts'
import { hubPaths, lastPlace, readHubRecord, runningHub, urlOf } from './hub-record.ts'
import { chooseHubPort, hubHost } from './hub-port.ts'
import { agentArguments, hubArguments } from './process-arguments.ts'
import { longestStopMs } from './stop-times.ts'
import { SupervisorRecord } from './supervisor-record.ts'
import type { UpkeepPlan } from './upkeep.ts'

/** The two agents of an `up` without arguments. Ada asks Bo for a report after each start. */
const firstName = 'Ada'
const secondName = 'Bo'

/** What `up` is to keep running: one agent, or a hub and two of them. */
export async function planFleet(call: Call): Promise<FleetPlan> {
  // What is wrong with them is said here, and not by each process.
  reconnectSettings(call)
  const settings = new SettingsSource(call.disk, call.home)
  if (call.arguments.length === 0 && call.text('name') === undefined)
    return { ...(await planThree(call)), settings }
  const target = resolveTarget(call)
  const hub = chooseHub(call, target.hub)
  if (hub.found) call.output.note(`at the hub of this home, ${hub.url}; --no-hub goes without`)
  const record = new SupervisorRecord(call)
  // Of a file the agent's name is known only once its process has loaded it.
  if (target.name !== undefined) await record.claim(target.name)
  const found = hub.found ? hub.url : undefined
  return {
    settings,
    members: [agentPlan(call, target, { found, port: call.text('port'), takeover: call.flag('takeover') })],
    records: [record],
    nameless: target.name === undefined,
    hubUrl: hub.url,
  }
}

async function planThree(call: Call): Promise<Omit<FleetPlan, 'settings'>> {
  const targets = [targetOf(call, firstName), targetOf(call, secondName)]
  const records: SupervisorRecord[] = []
  try {
    for (const { name } of targets) {
      const record = new SupervisorRecord(call)
      await record.claim(name ?? '')
      records.push(record)
    }
    const asked = call.flag('no-hub') || askedHub(call) !== undefined || hubOfEnvironment(call) !== undefined
    const hub = asked ? { url: chooseHub(call, undefined).url } : await embeddedHub(call)
    const found = asked ? undefined : hub.url
    const takeover = call.flag('takeover') || ('moved' in hub && hub.moved)
    const [first, second] = targets.map((target, index) =>
      agentPlan(call, target, {
        found,
        port: index === 0 ? call.text('port') : call.text('port') === undefined ? undefined : '0',
        takeover,
        greet: index === 0 && target.launch.kind === 'reflex' ? secondName : undefined,
      }),
    ) as [UpkeepPlan, UpkeepPlan]
    const plan = 'plan' in hub ? hub.plan : undefined
    return { members: [...(plan === undefined ? [] : [plan]), first, second], records, hubUrl: hub.url }
  } catch (error) {
    for (const record of records) record.release()
    throw error
  }
}

/** What the name was last started from; the reflex mind where it never was. */
function targetOf(call: Call, name: string): Target {
  return resolveTarget(call, name)
}

interface AgentPlanOptions {
  /** A hub that nobody asked for: not kept for the next time. */
  readonly found: string | undefined
  readonly port: string | undefined
  readonly takeover: boolean
  readonly greet?: string | undefined
}

function agentPlan(call: Call, target: Target, options: AgentPlanOptions): UpkeepPlan {
  const { found, port, takeover, greet } = options
  return {
    kind: 'agent',
    title: target.name ?? titleOf(target),
    codeFile: target.launch.kind === 'file' ? target.launch.path : undefined,
    arguments: agentArguments(call, target, { port, greet }),
    ...(takeover && { untilOnline: ['--takeover'] }),
    ...(found !== undefined && { environment: { PERDURA_HUB: found } }),
  }
}

/** What stands for the agent until its process has loaded its name. */
function titleOf({ launch }: Target): string {
  return launch.kind === 'file' ? basename(launch.path) : firstName
}

interface EmbeddedHub {
  readonly url: string
  /** Undefined where another process runs it. */
  readonly plan?: UpkeepPlan
  /** It is not where it was: what its agents know it by has changed, so they have to take their own sessions over. */
  readonly moved: boolean
}

/** The hub of this home: the one that runs, else one to be kept running where it was the last time, or elsewhere. */
async function embeddedHub(call: Call): Promise<EmbeddedHub> {
  await awaitOrphan(call)
  const last = lastPlace(call.disk, call.home)
  const here = runningHub(call)
  if (here !== undefined) {
    call.output.note(`the hub of this home runs already, in process ${here.pid}: it is used`)
    return { url: urlOf(here), moved: false }
  }
  const port = await chooseHubPort(call, last?.host === hubHost ? last.port : undefined)
  return {
    url: urlOf({ addresses: [{ host: hubHost, port }] }),
    moved: last !== undefined && (last.port !== port || last.host !== hubHost),
    plan: {
      kind: 'hub',
      title: 'hub',
      arguments: hubArguments(call, port),
    },
  }
}

/** A hub whose `up` was killed is on its way out: using it would be using what is gone in a moment. */
async function awaitOrphan(call: Call): Promise<void> {
  // It has noticed at once that its supervisor was killed.
  const deadlineMs = performance.now() + longestStopMs(call, [hubChild])
  for (let told = false; ; told = true) {
    const record = readHubRecord(call.disk, hubPaths(call.home).record)
    if (!isAlive(call.processes, record)) return
    if (record.supervisorPid === null || call.processes.identify(record.supervisorPid) !== undefined) return
    if (performance.now() > deadlineMs) signalProcess(call.processes, record, 'SIGKILL')
    if (!told)
      call.output.note(`waiting for the hub in process ${record.pid}, which was left behind and is stopping`)
    await delay(50)
  }
}
