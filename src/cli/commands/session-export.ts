import { resolve } from 'node:path'
import { PerduraError } from '../../errors.ts'
import { createNodeLog } from '../../platform/node/log.ts'
import { createNodePlatform } from '../../platform/node/platform.ts'
import { openCredentials } from '../../runtime/hub/open-credentials.ts'
import { readLaunchRecord } from '../../runtime/launch-record.ts'
import { exportAgent, type ExportAbout } from '../../runtime/move/export-agent.ts'
import { refuseMoved } from '../../runtime/move/moved-marker.ts'
import { openStore } from '../../store/open-store.ts'
import { createDatabaseFiles } from '../../store/sqlite/files.ts'
import type { Call } from '../call.ts'
import { requireAgent } from '../look.ts'
import { readPassphrase } from '../passphrase.ts'
import { stopAgent } from '../stop-agent.ts'

const defaultTimeoutMs = 30_000

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const target = resolve(call.text('to') ?? `${agent}.perdura-export`)
  const passphrase = readPassphrase(call)
  if (!call.flag('despite-move')) refuseMoved(call.disk, paths.movedMarker, agent)
  if (call.disk.exists(target)) {
    throw new PerduraError('ERR_FILE_EXISTS', `${target} exists already: name another file with --to`)
  }
  const timeoutMs = call.durationMs('timeout', defaultTimeoutMs)
  if (await stopAgent(call, paths, { timeoutMs, handover: true })) {
    call.output.note(`${agent} has let go of its session and is stopped`)
  }
  const platform = createNodePlatform()
  const { disk, random, clock } = platform
  const log = createNodeLog({ level: 'error' })
  const { about, sizeBytes } = await exportAgent({
    name: agent,
    folder: paths.folder,
    target,
    movedMarker: paths.movedMarker,
    launch: readLaunchRecord(disk, paths.launchRecord)?.source,
    passphrase,
    files: createDatabaseFiles(paths.folder),
    store: { ...platform, log, open: openStore },
    credentials: () => openCredentials({ platform, home: call.home, path: paths.credentials, log }),
    disk,
    random,
    clock,
  })
  tell(call, { about, target, sizeBytes, sealed: passphrase !== undefined })
  call.output.document({ ...about, file: target, sizeBytes, sealed: passphrase !== undefined })
}

function tell(
  call: Call,
  {
    about,
    target,
    sizeBytes,
    sealed,
  }: {
    readonly about: ExportAbout
    readonly target: string
    readonly sizeBytes: number
    readonly sealed: boolean
  },
): void {
  const { output } = call
  const { agent, launch, hub } = about
  output.line(`${agent} is in ${target} (${sizeBytes} bytes), and starts here no more`)
  output.note(
    sealed
      ? 'it is sealed with your passphrase: without that nobody can use it, and you cannot either'
      : `it is NOT sealed: whoever has this file is ${agent}. Carry it as you would a private key, or seal it with --passphrase-file`,
  )
  if (launch?.kind === 'file') output.note(`its code does not go along: ${launch.path}`)
  output.note(
    `there:  ${call.hint(`perdura session import ${target.split('/').at(-1)}${hub === null ? '' : ' --hub <address of its hub from there>'}`)}`,
  )
}
