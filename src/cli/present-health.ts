import { PerduraError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import { createNodeHttp } from '../platform/node/http-client.ts'
import { agentExists, type AgentPaths } from '../runtime/home.ts'
import type { Call } from './call.ts'
import { agentChild, hubChild } from './child-name.ts'
import { askAgent, readAnswer } from './control-client.ts'
import { hubPaths } from './hub-record.ts'
import { requireAgent, viewProcess } from './look.ts'
import type { DaemonView } from './overview/daemon-view.ts'
import { suspendedText } from './overview/child-state.ts'
import { viewHub } from './overview/overview.ts'

export const notRunning = 'not running'
const noAnswer = 'no answer'
/** Long enough for a busy process, short enough for a person. */
const answerTimeoutMs = 2_000

/** How an agent or a hub is now. */
export interface Present {
  /** `not running`, and `no answer` where it runs and says nothing. */
  readonly state: string
  readonly ready: boolean
  readonly reasons: readonly Reason[]
  readonly notReady: readonly string[]
  /** Checks of which nothing is known, since the system does not say. */
  readonly notMeasured: readonly string[]
}

interface Reason {
  readonly check: string
  readonly state: string
  readonly text: string
}

/** An agent or the hub, as far as its health is asked for. */
export interface HealthSubject {
  readonly name: string
  /** Where its history is. */
  readonly folder: string
  /** Somebody keeps it running, and watches. */
  readonly watched: boolean
  /** Somebody has stopped it, or never had it started in the background. */
  readonly stopped: boolean
  ask(): Promise<Present>
}

/** An agent may be called `hub`, and is meant then. */
export function healthSubject(call: Call, name: string, daemon: DaemonView | undefined): HealthSubject {
  if (name === 'hub' && !agentExists(call.disk, call.home, name)) {
    const hub = hubSubject(call, daemon)
    if (hub !== undefined) return hub
    throw new PerduraError(
      'ERR_NOT_RUNNING',
      `no hub has run in ${call.home}; start one with: ${call.hint('perdura hub start')}`,
    )
  }
  const paths = requireAgent(call, name, ['hub'])
  return {
    name,
    folder: paths.folder,
    watched: viewProcess(call, paths).supervised,
    stopped: false,
    ask: () => askedAgent(call, paths, daemon?.children?.get(agentChild(name))?.state),
  }
}

/** Undefined where no hub has ever run in this home. */
export function hubSubject(call: Call, daemon: DaemonView | undefined): HealthSubject | undefined {
  const view = viewHub(call, daemon)
  if (view === undefined) return undefined
  const { folder, controlSocket } = hubPaths(call.home)
  const kept = daemon?.children?.get(hubChild)
  return {
    name: 'hub',
    folder,
    watched: view.facts.keeper !== 'nobody',
    stopped: view.record === undefined && view.facts.record?.wanted !== 'running',
    async ask() {
      if (view.record === undefined) return absent(kept?.state)
      const { beat } = kept ?? {}
      // One of an earlier version has no such socket: what it has told its daemon is newer than nothing.
      if (!call.disk.exists(controlSocket) && beat?.health !== undefined)
        return { state: beat.health, ready: true, reasons: beat.reasons, notReady: [], notMeasured: [] }
      return await answered(call, view.record.pid, async () => {
        const request = { method: 'GET', path: '/v1/health', headers: {}, body: new Uint8Array() }
        const http = createNodeHttp()
        return readAnswer(
          await http.request({ socketPath: controlSocket }, request, { timeoutMs: answerTimeoutMs }),
        )
      })
    },
  }
}

/** `kept`: the state of the child, where a daemon keeps it. */
async function askedAgent(call: Call, paths: AgentPaths, kept: string | undefined): Promise<Present> {
  const { state, record } = viewProcess(call, paths)
  if (state !== 'running' || record === undefined) return absent(kept)
  return await answered(call, record.pid, () =>
    askAgent(call, paths, { method: 'GET', path: '/v1/health' }, answerTimeoutMs),
  )
}

/** States of a child, as its daemon has them, in which there is a process. */
const livingStates = new Set(['starting', 'running', 'restarting', 'killing', 'stopping'])

/** One that has not come so far as to say where it is found, or never will: it hangs as it starts. */
function absent(kept: string | undefined): Present {
  if (kept === undefined || !livingStates.has(kept)) return { ...nothing, state: notRunning }
  const doing = kept === 'killing' ? 'hung, and is being killed' : kept === 'running' ? 'there' : kept
  return { ...nothing, state: noAnswer, notReady: [`its process is ${doing}, and does not answer`] }
}

const nothing = { ready: false, reasons: [], notReady: [], notMeasured: [] }

async function answered(call: Call, pid: number, ask: () => Promise<JsonObject>): Promise<Present> {
  try {
    const answer = await ask()
    const { state, ready, reasons } = answer
    return {
      state: typeof state === 'string' ? state : noAnswer,
      ready: ready === true,
      reasons: Array.isArray(reasons) ? reasons.filter(isJsonObject).map(reasonOf) : [],
      notReady: textsOf(answer['not_ready']),
      notMeasured: textsOf(answer['not_measured']),
    }
  } catch (error) {
    if (!(error instanceof PerduraError)) throw error
    const isSuspended = call.usage.measure([pid]).get(pid)?.suspended === true
    const why = isSuspended ? suspendedText(pid) : `its process ${pid} does not answer`
    return { ...nothing, state: noAnswer, notReady: [why] }
  }
}

function textsOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

function reasonOf({ check, state, text }: JsonObject): Reason {
  const words = (value: Json | undefined): string => (typeof value === 'string' ? value : '')
  return { check: words(check), state: words(state), text: words(text) }
}
