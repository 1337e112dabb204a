import { drainMsMax } from '../../duration.ts'
import { errorCodes, PerduraError, toError } from '../../errors.ts'
import { exitCodes } from '../../exit-codes.ts'
import type { LogFileOptions } from '../../platform/node/log-file.ts'
import { createNodeLog } from '../../platform/node/log.ts'
import { createNodeProfiler } from '../../platform/node/profiler.ts'
import { memoryUsage } from '../../platform/node/memory.ts'
import { createNodePlatform } from '../../platform/node/platform.ts'
import { makePrivateFolder, removePrivateFolder } from '../../platform/node/private-folder.ts'
import { defineAgent } from '../../agent/define-agent.ts'
import { turnInContext } from '../../agent/turn-context.ts'
import { RecentLines } from '../../platform/recent-lines.ts'
import type { Agent } from '../../runtime/agent.ts'
import { prepareAgentFolder } from '../../runtime/home.ts'
import { writeLaunchRecord } from '../../runtime/launch-record.ts'
import { openAgent } from '../../runtime/open-agent.ts'
import { terminalMessages, totals } from '../../runtime/queries.ts'
import { storedSessions } from '../../runtime/session-queries.ts'
import { serve, type Served } from '../../runtime/serve.ts'
import { hubAddressList } from '../../session/hub-address.ts'
import { terminal } from '../../queue/outbox.ts'
import { Beats, type BeatFacts } from '../beats.ts'
import type { Call } from '../call.ts'
import { captureOutput } from '../captured-output.ts'
import { loadDefinition, resolveTarget } from '../definition.ts'
import { reconnectSettings } from '../cloudbrain.ts'
import { CrashWatch, watchEarlyCrashes } from '../crash-watch.ts'
import { chooseHub } from '../hub-choice.ts'
import { boundedLog } from '../log-bounds.ts'
import { printable } from '../output.ts'
import { connectParent, refusalCode, type Parent } from '../own-process.ts'
import { countFailures } from '../past-failures.ts'
import { ActivityReport, type SessionFigures } from '../process-messages.ts'
import { connectService } from '../own-service.ts'
import { safeModeTarget } from '../safe-mode.ts'
import { reloadSettings, settingsOf } from '../settings-of.ts'
import { drainWithin } from '../drain-within.ts'
import { shutDown } from '../shut-down.ts'
import { watchForStop } from '../stop-request.ts'
import { ownVersion } from '../version.ts'

/** What the stages around the turns may need, for a manager that waits for the end. */
const serviceMarginMs = 10_000

export async function run(call: Call): Promise<number> {
  const parent = await connectParent()
  try {
    return await runAgent(call, parent)
  } catch (error) {
    if (!parent.connected) throw error
    const code = error instanceof PerduraError ? error.code : 'ERR_INTERNAL'
    // The parent speaks to the person; what is no expected fault also goes to standard error, with its place.
    await parent.tell({ type: 'failed', code, message: toError(error).message })
    if (!(error instanceof PerduraError)) throw error
    parent.disconnect()
    // What will not pass by itself is not to be tried again.
    return refusalCode(error, parent)
  }
}

async function runAgent(call: Call, parent: Parent): Promise<number> {
  let reload = (): void => undefined
  const stop = watchForStop(parent, () => reload())
  call.onBrokenPipe = () => stop.ask('broken pipe')
  if (call.arguments.length === 0 && call.text('name') === undefined) {
    throw new PerduraError('ERR_USAGE', 'run needs to know what: perdura run <agent|file>')
  }
  const safeMode = call.flag('safe-mode')
  const target = safeMode ? safeModeTarget(call) : resolveTarget(call)
  const port = call.text('port') === undefined ? undefined : call.count('port', 0, 65_535)
  const hub = chooseHub(call, target.hub)
  const hubKey = hub.url === undefined ? null : (hubAddressList(hub.url)[0]?.key ?? null)
  const reconnect = reconnectSettings(call)
  const drainMs = call.text('drain') === undefined ? undefined : call.durationMs('drain', 0, drainMsMax)
  const token = ingressToken(call)
  const secrets = token === undefined ? [] : [token]
  const endEarlyWatch = watchEarlyCrashes(secrets)
  const definition =
    'launch' in target ? await loadDefinition(target, call.text('greet')) : defineAgent({ name: target.name })

  const paths = prepareAgentFolder(call.disk, call.home, definition.name)
  const recent = new RecentLines()
  const { settings, problem } = settingsOf(call, parent)
  const logFile = (): LogFileOptions =>
    boundedLog(call.home, paths.log, settings.current.of(definition.name).logs)
  const log = createNodeLog({
    file: logFile(),
    secrets,
    sink: recent,
  })
  reload = () => {
    reloadSettings(settings, log)
    log.bound(logFile())
  }
  const crash = new CrashWatch({ log, recent, folder: paths.crashes, secrets })
  endEarlyWatch()
  const nodePlatform = createNodePlatform()
  const platform = { ...nodePlatform, process: crash.port(nodePlatform.process) }
  crash.lastWord = (code) => parent.lastWord(code)
  crash.tellOfEarlier()
  if (parent.kind === 'link') captureOutput(log)
  if (problem !== undefined) log.error('settings:load:failed', { error: problem, inForce: 'defaults' })
  await parent.tell({ type: 'named', name: definition.name, folder: paths.folder })
  const service = parent.connected ? undefined : await connectService(log)

  let agent: Agent
  try {
    agent = await openAgent(definition, {
      home: call.home,
      platform,
      log,
      settings,
      // Only what is kept running has a history of its own ends.
      ...(parent.connected && { restarts: countFailures(paths.folder) }),
      hub: hub.url,
      takeover: call.flag('takeover'),
      trustNewHub: call.flag('trust-new-hub'),
      ...reconnect,
      safeMode,
      despiteMove: call.flag('despite-move'),
    })
  } catch (error) {
    log.error('agent:start:failed', { error: toError(error) })
    throw error
  }
  crash.describe = () => ({
    agent: agent.name,
    safe_mode: agent.safeMode,
    session: agent.session?.state ?? null,
    ...agent.load,
    turns: agent.progress.turns.map(({ turn, attempt, forMs }) => ({ turn, attempt, for_ms: forMs })),
  })
  crash.isOfTurn = (error) => {
    const turn = turnInContext()
    turn?.stray(error)
    return turn !== undefined
  }
  let sessionEnd: PerduraError | undefined
  agent.on('session:ended', ({ code, error }) => {
    sessionEnd = new PerduraError(errorCodes.find((known) => known === code) ?? 'ERR_FENCED', error)
    stop.ask('its session has ended')
  })
  const deadline = (): number =>
    drainMs ?? drainWithin(settings.current.of(definition.name).supervision.stopMs)
  let handover: { readonly deadlineMs: number } | undefined
  let served: Served
  try {
    // Nothing is awaited in between: whoever counts events must be there when the first one comes.
    served = await serve({
      platform,
      processes: call.processes,
      agent,
      home: call.home,
      log,
      port,
      token,
      supervisorPid: parent.kind === 'channel' ? process.ppid : null,
      daemon: parent.kind === 'link',
      hub: hubKey,
      makePrivateFolder,
      removePrivateFolder,
      profiler: createNodeProfiler({
        folder: paths.folder,
        onPause: (forMs) => parent.tell({ type: 'busy', forMs }),
      }),
      memory: () => {
        const { rssBytes, heapUsedBytes } = memoryUsage()
        return { rss_bytes: rssBytes, heap_used_bytes: heapUsedBytes }
      },
      versions: { version: ownVersion(), node: process.versions.node },
      stop: (asked) => {
        if (asked.handover) handover = { deadlineMs: deadline() }
        void parent.tell({ type: 'stop' })
        stop.ask('asked over the control socket')
      },
      handOver: (deadlineMs) => {
        // Its supervisor starts the next one as soon as this one has ended, and counts it as no failure.
        void parent.tell({ type: 'handover', withinMs: deadlineMs })
        handover = { deadlineMs }
        stop.ask('handed over')
      },
      reload: () => {
        // An `up` has settings of its own, and passes it on to all of its processes, this one among them.
        if (parent.kind === 'channel' && parent.connected) void parent.tell({ type: 'reload' })
        else reload()
      },
    })
  } catch (error) {
    await agent.close({ deadlineMs: 0 })
    throw error
  }
  if ('launch' in target) {
    try {
      writeLaunchRecord(platform.disk, paths.launchRecord, agent.name, {
        source: target.launch,
        hub: hub.recorded,
      })
    } catch (error) {
      // A full disk, mostly. Only that its name alone will not be enough to start it again.
      log.warn('agent:launch:unrecorded', { error: toError(error) })
    }
  }
  await announce(call, parent, agent, served, hubKey)
  await service?.ready({ status: () => statusOf(agent), healthy: () => true })
  const beats = new Beats(parent, () =>
    beatOf(agent, served, settings.current.of(agent.name).health.stalledUnhealthyMs),
  )

  const reason = await stop.asked
  // What has lost its session is not to act any more, so its turns get no time to finish.
  const deadlineMs = sessionEnd === undefined ? (handover?.deadlineMs ?? deadline()) : 0
  const isHandover = handover !== undefined && sessionEnd === undefined
  void service?.stopping(deadlineMs + serviceMarginMs)
  await shutDown(call, { agent, served, reason, log, deadlineMs, handover: isHandover, hurry: stop.hurry })
  beats.stop()
  service?.close()
  log.close()
  if (sessionEnd === undefined) {
    parent.disconnect()
    return stop.forced ? exitCodes.failed : exitCodes.fine
  }
  // Only a person can change what the hub says, so nobody starts it again, whatever the code is otherwise.
  if (parent.connected) {
    await parent.tell({ type: 'failed', code: sessionEnd.code, message: sessionEnd.message })
    parent.disconnect()
  } else call.output.failure(sessionEnd)
  return exitCodes.doNotRestart
}

/** For `systemctl status`. */
function statusOf(agent: Agent): string {
  const { inbox, outbox } = agent.load
  return `${agent.name} is ready: ${inbox} open in its inbox, ${outbox} in its outbox`
}

function beatOf(agent: Agent, { counters }: Served, stalledMsMax: number): BeatFacts {
  const { inbox, outbox } = agent.load
  return {
    health: agent.health?.report ?? { state: 'healthy', reasons: [], notReady: [] },
    turnsDone: counters.done,
    // The one knows what is ready and runs, the other also what cannot be written.
    stalled: agent.health?.stalled === true || agent.progress.stalledMs >= stalledMsMax,
    loopDelayMs: agent.health?.view.figures?.process.loopDelayMaxMs ?? 0,
    session: agent.session?.state ?? null,
    inbox,
    outbox,
    safeMode: agent.safeMode,
  }
}

/** A token that is set and empty is a script's mistake: taken for none it would open the door that it was to close. */
function ingressToken(call: Call): string | undefined {
  const token = call.environment['PERDURA_INGRESS_TOKEN']
  if (token === undefined || /^[\x21-\x7e]{1,512}$/.test(token)) return token
  throw new PerduraError(
    'ERR_USAGE',
    'PERDURA_INGRESS_TOKEN must be 1 to 512 printable ASCII characters without spaces: set it to such a token, or unset it',
  )
}

async function announce(
  call: Call,
  parent: Parent,
  agent: Agent,
  served: Served,
  hubKey: string | null,
): Promise<void> {
  if (parent.connected) {
    const session = (): SessionFigures => {
      const live = served.session()
      if (live === undefined) return null
      const stored = storedSessions(agent.reader).find(({ hub }) => hub === hubKey)
      return { ...live, generation: stored?.generation ?? 0 }
    }
    const report = new ActivityReport(agent, served.counters, (message) => parent.tell(message), session)
    const { previous, replayedRecords, interruptedTurns } = agent.recovered
    await parent.tell({
      type: 'ready',
      pid: process.pid,
      previous,
      replayedRecords,
      interruptedTurns,
      ingressUrl: served.ingressUrl,
      totals: totals(agent.reader),
      session: session(),
      safeMode: agent.safeMode,
    })
    report.flush()
    return
  }
  const say = (text: string): void => call.output.line(process.stdout.isTTY ? printable(text) : text)
  for (const message of terminalMessages(agent.reader, 0, 1_000)) say(message.text)
  agent.on('outbox:message:committed', ({ to, text }) => {
    if (to === terminal) say(text)
  })
  const { output, program } = call
  output.note(
    `${agent.name} is ready (process ${process.pid}, started ${agent.recovered.previous === 'killed' ? 'after a kill' : 'cleanly'})`,
  )
  if (agent.safeMode)
    output.note(
      '  safe mode:   its mind is off; what comes in is kept, and handled at the next start without it',
    )
  output.note(`  talk to it:  ${program} send ${agent.name} "hello" --wait`)
  output.note(`  webhooks:    POST ${served.ingressUrl}`)
  if (hubKey !== null) output.note(`  hub:         ${hubKey}`)
}
