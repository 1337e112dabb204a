import { PerduraError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import type { ChildPolicy } from '../supervisor/policy.ts'

/** What the daemon is to start, as it stands in the child's record: nothing of it is a secret. */
export interface Launch {
  /** Of `perdura`. */
  readonly arguments: readonly string[]
  /** Besides those, until a process of it has been online at its hub. */
  readonly untilOnline: readonly string[]
  /** Whether it is at the hub of its home, wherever that is at the moment, because nobody asked for another one. */
  readonly atHomeHub: boolean
  /** Added to the daemon's own environment. */
  readonly environment: Readonly<Record<string, string>>
  /** A file with more of it, read at each start. */
  readonly environmentFile: string | undefined
  readonly workingFolder: string
  /** The file that the agent's code is in; undefined for one without. */
  readonly codeFile: string | undefined
  /** What was asked for when it was started; the settings say the rest. */
  readonly policy: Partial<Pick<ChildPolicy, 'restart' | 'memoryMaxBytes' | 'stopMs'>>
}

/** As JSON; read by `launchOf`. */
export function launchJson(launch: Launch): JsonObject {
  const { policy } = launch
  return {
    arguments: launch.arguments,
    until_online: launch.untilOnline,
    at_home_hub: launch.atHomeHub,
    environment: launch.environment,
    environment_file: launch.environmentFile ?? null,
    working_folder: launch.workingFolder,
    code_file: launch.codeFile ?? null,
    policy: {
      ...(policy.restart !== undefined && { restart: policy.restart }),
      ...(policy.memoryMaxBytes !== undefined && { memory_max_bytes: policy.memoryMaxBytes }),
      ...(policy.stopMs !== undefined && { stop_ms: policy.stopMs }),
    },
  }
}

const restarts = ['always', 'on-failure', 'never'] as const

/** Throws ERR_PAYLOAD_INVALID for what `launchJson` does not write. */
export function launchOf(value: Json | undefined): Launch {
  if (!isJsonObject(value)) throw invalid('launch', 'an object')
  const policy = isJsonObject(value['policy']) ? value['policy'] : {}
  const { restart, memory_max_bytes: memoryMaxBytes, stop_ms: stopMs } = policy
  const environment = value['environment']
  const asked = restarts.find((one) => one === restart)
  return {
    arguments: texts(value, 'arguments'),
    untilOnline: texts(value, 'until_online'),
    atHomeHub: value['at_home_hub'] === true,
    environment: isJsonObject(environment)
      ? Object.fromEntries(Object.keys(environment).map((name) => [name, text(environment, name)]))
      : {},
    environmentFile: optionalText(value, 'environment_file'),
    workingFolder: text(value, 'working_folder'),
    codeFile: optionalText(value, 'code_file'),
    policy: {
      ...(asked !== undefined && { restart: asked }),
      ...(typeof memoryMaxBytes === 'number' && { memoryMaxBytes }),
      ...(typeof stopMs === 'number' && { stopMs }),
    },
  }
}

function text(value: JsonObject, key: string): string {
  const found = value[key]
  if (typeof found !== 'string' || found.includes('\0')) throw invalid(key, 'a text')
  return found
}

function optionalText(value: JsonObject, key: string): string | undefined {
  return value[key] === null || value[key] === undefined ? undefined : text(value, key)
}

function texts(value: JsonObject, key: string): string[] {
  const found = value[key]
  if (!Array.isArray(found)) throw invalid(key, 'a list of texts')
  return (found as Json[]).map((one) => {
    if (typeof one !== 'string' || one.includes('\0')) throw invalid(key, 'a list of texts')
    return one
  })
}

function invalid(key: string, wanted: string): PerduraError {
  return new PerduraError('ERR_PAYLOAD_INVALID', `"${key}" of what is to be started must be ${wanted}`)
}
