import { join } from 'node:path'
import { Daemon } from '../../daemon/daemon.ts'
import { daemonPaths } from '../../daemon/paths.ts'
import { fileVariable, parseMark, serviceVariable } from '../../daemon/service/mark.ts'
import type { ServiceFacts } from '../../daemon/service/service-report.ts'
import { endMarginMs } from '../../daemon/service/spec.ts'
import type { LogFileOptions } from '../../platform/node/log-file.ts'
import { createNodeLog } from '../../platform/node/log.ts'
import { NodeBinary } from '../../platform/node/node-binary.ts'
import { boundOutputFile } from '../../platform/node/output-file.ts'
import { createNodePlatform } from '../../platform/node/platform.ts'
import { RecentLines } from '../../platform/recent-lines.ts'
import type { Call } from '../call.ts'
import { CrashWatch } from '../crash-watch.ts'
import { DaemonChildren } from '../daemon-children.ts'
import { boundedLog } from '../log-bounds.ts'
import { connectService } from '../own-service.ts'
import { packagedNodes } from '../own-program.ts'
import { settingsOf } from '../settings-of.ts'
import { ownVersion } from '../version.ts'

/** The daemon in this process: what `daemon start` starts in the background, and a service manager as it is. */
export async function run(call: Call): Promise<number> {
  const { home, processes, output } = call
  const paths = daemonPaths(home)
  const { disk, locks, random, listener } = createNodePlatform()
  const { settings, problem } = settingsOf(call, { connected: true })
  const logFile = (): LogFileOptions => boundedLog(home, paths.log, settings.current.base.logs)
  const others = await packagedNodes()
  const recent = new RecentLines()
  let boundLog = (): void => undefined
  const mark = takeMark()
  // What starts a daemon in the background keeps this file within its bound; launchd does not.
  if (mark !== undefined) boundOutputFile(paths.output)
  const daemon = await Daemon.start({
    paths,
    disk,
    locks,
    processes,
    random,
    listener,
    openLog: () => {
      const log = createNodeLog({ file: logFile(), sink: recent })
      boundLog = () => log.bound(logFile())
      return log
    },
    version: ownVersion(),
    service: mark,
    makeChildren: (link, log) =>
      new DaemonChildren({
        home,
        disk,
        processes,
        link,
        linkSocket: paths.linkSocket,
        log,
        settings,
        node: new NodeBinary({
          others,
          onReplaced: (from, to) => log.warn('daemon:node:replaced', { from, to }),
        }),
      }),
  })
  const crash = new CrashWatch({
    log: daemon.log,
    recent,
    folder: join(paths.folder, 'crashes'),
    secrets: [],
  })
  crash.tellOfEarlier()
  if (problem !== undefined) daemon.log.error('settings:load:failed', { error: problem, inForce: 'defaults' })
  output.note(`the daemon is ready (process ${process.pid})`)
  const service = await connectService(daemon.log)
  const facts: ServiceFacts = {
    status: () => daemon.children.summary,
    healthy: () => daemon.children.attended,
  }
  let stopping = false
  watchSignals(daemon, async () => {
    // A manager that was told of the end must not be told that it is ready again.
    if (stopping) return
    await service?.reloading(process.hrtime.bigint() / 1_000n)
    daemon.reload()
    boundLog()
    if (!stopping) await service?.ready(facts)
  })
  // What is told to end while it starts has to hear that, and not that it is ready.
  const opened = await Promise.race([daemon.opened.then(() => true), daemon.asked.then(() => false)])
  if (opened) await service?.ready(facts)
  const { reason, keepChildren } = await daemon.asked
  stopping = true
  output.note(`the daemon is stopping (${reason})${keepChildren ? '; agents go on' : ''}`)
  void service?.stopping(keepChildren ? endMarginMs : daemon.children.stopMs + endMarginMs)
  await daemon.end()
  service?.close()
  output.document({ stopped: true, reason, agents_kept: keepChildren })
  return 0
}

/** The first one lets children finish, the second one waits for nothing. */
function watchSignals(daemon: Daemon, reload: () => Promise<void>): void {
  let signalled = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (signalled) daemon.kill()
      signalled = true
      daemon.stop(signal)
    })
  }
  process.on('SIGQUIT', () => {
    daemon.hurry()
    daemon.stop('SIGQUIT')
  })
  process.on('SIGHUP', () => void reload())
}

/** The service that its manager says this process is; children are not. */
function takeMark(): string | undefined {
  const { [serviceVariable]: mark } = process.env
  delete process.env[serviceVariable]
  delete process.env[fileVariable]
  return parseMark(mark) === undefined ? undefined : mark
}
