import fs from 'node:fs'
import { parseEnv } from 'node:util'
import type { ChildCommand } from '../platform/child.ts'
import type { Disk } from '../platform/disk.ts'
import type { Log } from '../platform/log.ts'
import type { NodeBinary } from '../platform/node/node-binary.ts'
import type { ChildMode } from '../supervisor/exits.ts'
import { hubChild } from './child-name.ts'
import { drainWithin } from './drain-within.ts'
import { lastPlace, urlOf } from './hub-record.ts'
import type { Launch } from './launch.ts'
import { programArguments, programEnvironment } from './own-program.ts'
import { childFiles } from './supervision-files.ts'

const environmentBytesMax = 1024 * 1024

export interface ChildCommandOptions {
  readonly disk: Disk
  readonly home: string
  readonly child: string
  readonly launch: Launch
  readonly mode: ChildMode
  readonly node: NodeBinary
  readonly log: Log
}

/** How a process of a child is started. Throws what keeps it from being started. */
export function childCommand(options: ChildCommandOptions): ChildCommand {
  const { disk, home, child, launch, mode, node, log } = options
  const { environmentFile } = launch
  const { stopMs } = launch.policy
  const hub = launch.atHomeHub ? lastPlace(disk, home) : undefined
  return {
    file: node.find(),
    arguments: programArguments(child === hubChild ? 'hub' : 'agent', [
      ...launch.arguments,
      ...launch.untilOnline,
      // Its settings say nothing of what was asked for when it was started.
      ...(child === hubChild || stopMs === undefined ? [] : ['--drain', `${drainWithin(stopMs)}ms`]),
      ...(mode === 'safe' ? ['--safe-mode'] : []),
      '--quiet',
    ]),
    environment: {
      ...programEnvironment(),
      ...(environmentFile !== undefined && readEnvironment(environmentFile, log.with({ child }))),
      ...launch.environment,
      ...(hub !== undefined && { PERDURA_HUB: urlOf({ addresses: [hub] }) }),
    },
    workingFolder: launch.workingFolder,
    name: child,
    outputFile: childFiles(home, child).output,
  }
}

/** Of a file of lines `NAME=value`. It may hold secrets: no error shows any of it. */
export function readEnvironment(path: string, log: Pick<Log, 'warn'>): Record<string, string> {
  let text: string
  try {
    const { mode, size } = fs.statSync(path)
    if (size > environmentBytesMax) throw new Error('it is larger than 1 MiB')
    if ((mode & 0o077) !== 0) log.warn('daemon:environment:readable', { path })
    text = fs.readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`its environment file ${path} cannot be read (${(error as Error).message})`, {
      cause: error,
    })
  }
  const parsed = Object.entries(parseEnv(text))
  return Object.fromEntries(parsed.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}
