import { resolve } from 'node:path'
import { PerduraError } from '../errors.ts'
import { readEnvironment } from './child-command.ts'
import type { Call } from './call.ts'
import { reconnectSettings } from './cloudbrain.ts'
import { loadDefinition, resolveTarget, type Target } from './definition.ts'
import { askedHub, chooseHub, hubOfEnvironment } from './hub-choice.ts'
import type { Launch } from './launch.ts'
import { agentArguments, hubArguments } from './process-arguments.ts'
import { parseSize } from '../settings/field.ts'

/** An agent, and how the daemon is to start it. */
export interface AgentLaunch {
  readonly name: string
  readonly launch: Launch
}

export interface AgentLaunchOptions {
  /** Of the ingress. */
  readonly port: string | undefined
  readonly takeover: boolean
  /** There is a hub of this home, or will be. */
  readonly homeHub: boolean
  readonly greet?: string | undefined
}

/**
 * What the daemon is to start for an argument of `start`: a file, or the name of an agent. The name of a file's agent is known
 * only by loading it, so that what is wrong with it is found here.
 */
export async function agentLaunch(
  call: Call,
  argument: string | undefined,
  options: AgentLaunchOptions,
): Promise<AgentLaunch> {
  // What is wrong with them is said here, and not by each process.
  reconnectSettings(call)
  if (call.text('port') !== undefined) call.count('port', 0, 65_535)
  const target = resolveTarget(call, argument)
  const name = target.name ?? (await loadDefinition(target)).name
  const hub = chooseHub(call, target.hub)
  const ofEnvironment = askedHub(call) === undefined ? hubOfEnvironment(call) : undefined
  const atHomeHub = hub.found || (hub.url === undefined && options.homeHub && !call.flag('no-hub'))
  const named: Target = { ...target, name }
  return {
    name,
    launch: {
      arguments: agentArguments(call, named, { port: options.port, greet: options.greet }),
      untilOnline: options.takeover ? ['--takeover'] : [],
      atHomeHub,
      environment: ofEnvironment === undefined ? {} : { PERDURA_HUB: ofEnvironment },
      environmentFile: environmentFile(call),
      workingFolder: process.cwd(),
      codeFile: target.launch.kind === 'file' ? target.launch.path : undefined,
      policy: askedPolicy(call),
    },
  }
}

export function hubLaunch(call: Call, port: number): Launch {
  return {
    arguments: hubArguments(call, port),
    untilOnline: [],
    atHomeHub: false,
    environment: {},
    environmentFile: undefined,
    workingFolder: call.home,
    codeFile: undefined,
    policy: {},
  }
}

function environmentFile(call: Call): string | undefined {
  const asked = call.text('environment-file')
  if (asked === undefined) return undefined
  const path = resolve(asked)
  try {
    readEnvironment(path, {
      warn: () =>
        call.output.note(`others on this machine can read ${path}: chmod 600 it, if it holds secrets`),
    })
  } catch (cause) {
    throw new PerduraError('ERR_USAGE', `--environment-file: ${(cause as Error).message}`, { cause })
  }
  return path
}

function askedPolicy(call: Call): Launch['policy'] {
  const restart = call.choice('restart', ['always', 'on-failure', 'never'])
  const memory = call.text('memory-max')
  const memoryMaxBytes = memory === undefined ? undefined : parseSize(memory)
  if (memory !== undefined && (memoryMaxBytes === undefined || memoryMaxBytes < memoryMinBytes))
    throw new PerduraError('ERR_USAGE', '--memory-max is a size of 64MiB or more, such as 512MiB or 2GiB')
  const stopMs = call.text('stop-timeout') === undefined ? undefined : call.durationMs('stop-timeout', 0)
  if (stopMs !== undefined && (stopMs < stopMsMin || stopMs > stopMsMax))
    throw new PerduraError('ERR_USAGE', '--stop-timeout is a duration from 1s to 1h')
  return {
    ...(restart !== undefined && { restart }),
    ...(memoryMaxBytes !== undefined && { memoryMaxBytes }),
    ...(stopMs !== undefined && { stopMs }),
  }
}

/** Less than that no process of Node has. */
const memoryMinBytes = 64 * 1024 * 1024
/** As in the settings. */
const stopMsMin = 1_000
const stopMsMax = 3_600_000
