import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isAgentDefinition, renameAgent } from '../agent/define-agent.ts'
import type { AgentDefinition } from '../agent/definition.ts'
import { errorCodes, PerduraError, toError } from '../errors.ts'
import { agentExists, agentPaths, checkAgentName } from '../runtime/home.ts'
import { readImportRecord, readLaunchRecord, type LaunchSource } from '../runtime/launch-record.ts'
import type { Call } from './call.ts'
import { noSuchAgent } from './look.ts'
import { installResolveHook } from './resolve-hook.ts'

/** What is to be run: from which definition, and under which name where that is known before it is loaded. */
export interface Target {
  readonly launch: LaunchSource
  readonly name: string | undefined
  /** The hub that was asked for when it was started before. */
  readonly hub?: string | undefined
}

/**
 * What `run` and `up` were given: a file, the name of an agent that was started before, or nothing, which is agent
 * Ada. Ada and Bo have the reflex mind where they were never started. `--name` gives a reflex agent, or the file's agent, another name.
 */
export function resolveTarget(call: Call, argument = call.arguments[0]): Target {
  const chosen = call.text('name')
  if (chosen !== undefined) checkAgentName(chosen)
  if (argument === undefined) {
    const name = chosen ?? 'Ada'
    const known = knownTarget(call, name)
    if (known === undefined) refuseWithoutCode(call, name)
    return known ?? { launch: { kind: 'reflex' }, name }
  }
  if (looksLikeFile(argument)) return { launch: { kind: 'file', path: resolve(argument) }, name: chosen }
  checkAgentName(argument)
  if (chosen !== undefined && chosen !== argument) {
    throw new PerduraError(
      'ERR_USAGE',
      `"${argument}" is an agent already: --name goes with a file, or alone`,
    )
  }
  const known = knownTarget(call, argument)
  if (known !== undefined) return known
  refuseWithoutCode(call, argument)
  if (argument === 'Ada' || argument === 'Bo') return { launch: { kind: 'reflex' }, name: argument }
  if (existsSync(`${argument}.ts`)) {
    throw new PerduraError(
      'ERR_NO_SUCH_AGENT',
      `there is no agent "${argument}"; is it the file? ${call.program} ${call.verb} ./${argument}.ts`,
    )
  }
  const { message } = noSuchAgent(call, argument)
  const others = `. A new one comes from a file (${call.program} new ${argument}) or with the reflex mind (${call.program} ${call.verb} --name ${argument})`
  throw new PerduraError('ERR_NO_SUCH_AGENT', message + others)
}

function knownTarget(call: Call, name: string): Target | undefined {
  if (!agentExists(call.disk, call.home, name)) return undefined
  const launch = readLaunchRecord(call.disk, agentPaths(call.home, name).launchRecord)
  return launch === undefined ? undefined : { launch: launch.source, name, hub: launch.hub }
}

/** An agent that was imported goes on with its own code, and not with whatever its name would stand for otherwise. */
function refuseWithoutCode(call: Call, name: string): void {
  if (!agentExists(call.disk, call.home, name)) return
  const imported = readImportRecord(call.disk, agentPaths(call.home, name).launchRecord)
  if (imported === undefined) return
  const hub = imported.hub === undefined ? '' : ` --hub ${imported.hub}`
  throw new PerduraError(
    'ERR_DEFINITION_LOAD',
    `${name} was imported, and its code stayed where it was (${imported.codePath}): bring it here and start it from there, ` +
      `with ${call.hint(`perdura ${call.verb} <file>${hub}`)}`,
  )
}

export function looksLikeFile(argument: string): boolean {
  return /[/\\]|\.[cm]?[jt]s$/.test(argument)
}

/** Loads the definition, under `target.name` where it has one. With the reflex mind, it greets another agent. */
export async function loadDefinition(target: Target, greet?: string): Promise<AgentDefinition> {
  if (target.launch.kind === 'reflex') {
    const { reflexAgent } = await import('../mind/reflex/reflex.ts')
    return reflexAgent(target.name ?? 'Ada', { greet }) as unknown as AgentDefinition
  }
  const definition = await importDefinition(target.launch.path)
  return target.name === undefined || target.name === definition.name
    ? definition
    : renameAgent(definition, target.name)
}

async function importDefinition(path: string): Promise<AgentDefinition> {
  const facts = statSync(path, { throwIfNoEntry: false })
  if (facts === undefined) throw new PerduraError('ERR_DEFINITION_LOAD', `there is no file ${path}`)
  if (facts.isDirectory())
    throw new PerduraError('ERR_DEFINITION_LOAD', `${path} is a folder: name the agent's file in it`)
  installResolveHook()
  let module: { readonly default?: unknown }
  try {
    module = await importOrGiveUp(path)
  } catch (thrown) {
    throw loadFailure(path, thrown)
  }
  if (isAgentDefinition(module.default)) return module.default
  throw new PerduraError(
    'ERR_DEFINITION',
    `${path} must have what defineAgent returns as its default export; it has ${describe(module)}`,
    { details: { path } },
  )
}

/** Code that awaits what nothing can bring about any more would end the process with an exit code of Node's own. */
async function importOrGiveUp(path: string): Promise<{ readonly default?: unknown }> {
  const { promise: idle, reject } = Promise.withResolvers<never>()
  const giveUp = (): void =>
    reject(
      new Error(
        'it awaits at its top level what never comes: nothing is under way that could bring it about',
      ),
    )
  process.once('beforeExit', giveUp)
  try {
    return (await Promise.race([import(pathToFileURL(path).href), idle])) as { readonly default?: unknown }
  } finally {
    process.off('beforeExit', giveUp)
  }
}

function describe(module: { readonly default?: unknown }): string {
  if (!('default' in module)) {
    const names = Object.keys(module)
    return names.length === 0
      ? 'no exports at all'
      : `no default export, only ${names.slice(0, 5).join(', ')}`
  }
  const value = module.default
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'function')
    return `the function ${value.name || '(anonymous)'}: call defineAgent and export its result`
  if (typeof value !== 'object') return `a ${typeof value}`
  const keys = Object.keys(value)
  const definitionLike = 'handlers' in value && 'limits' in value
  if (definitionLike)
    return 'a definition made by another copy of perdura: import { defineAgent } from "perdura" alone'
  if ('onMessage' in value || 'onTimer' in value || 'name' in value)
    return 'a plain object: wrap it in defineAgent({ … })'
  return `an object with ${keys.length === 0 ? 'nothing in it' : keys.slice(0, 5).join(', ')}`
}

/** What went wrong while the file was loaded, with the place in it. */
function loadFailure(path: string, thrown: unknown): PerduraError {
  const error = toError(thrown)
  // What defineAgent itself refuses says what to do about it.
  const ownCode = errorCodes.find((code) => code === codeOf(thrown))
  const place = findPlace(path, error)
  const where = place === undefined ? path : `${path}:${place}`
  const details = { path, ...(place === undefined ? {} : { line: Number(place.split(':', 1)[0]) }) }
  const [firstLine = ''] = error.message.split('\n').filter((line) => line.trim() !== '')
  const name = error.name === 'Error' || ownCode !== undefined ? '' : `${error.name}: `
  return new PerduraError(
    ownCode ?? 'ERR_DEFINITION_LOAD',
    `${where}: ${name}${plain(error.message, firstLine)}`,
    {
      cause: error,
      details,
    },
  )
}

/** Whatever was thrown: `null`, or what cannot be read. */
function codeOf(thrown: unknown): unknown {
  try {
    return (thrown as { readonly code?: unknown }).code
  } catch {
    return undefined
  }
}

/**
 * `line` or `line:column` in the file: syntax errors have it at the top of their stack, errors of TypeScript's syntax
 * inside their message, and what the file throws has it in its first frame there.
 */
function findPlace(path: string, error: Error): string | undefined {
  const url = pathToFileURL(path).href
  for (const text of [error.stack ?? '', error.message]) {
    for (const name of [url, path]) {
      const at = text.indexOf(`${name}:`)
      const found = at === -1 ? null : /^\d+(?::\d+)?/.exec(text.slice(at + name.length + 1))
      if (found !== null) return found[0]
    }
  }
  return /-\[[^\]]*:(\d+:\d+)\]/.exec(error.message)?.[1]
}

/** One line: the parser of TypeScript draws the code around the error. */
function plain(message: string, firstLine: string): string {
  const marked = /^\s*[x×]\s+(.*)$/m.exec(message)?.[1]
  return (marked ?? firstLine).trim()
}
