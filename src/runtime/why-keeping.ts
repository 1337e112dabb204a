import { formatDuration } from '../duration.ts'
import type { Explanation, KeepingFacts, WhyFacts } from './why-facts.ts'
import { excerpt, plural } from './why-text.ts'

/** What happened earlier than that is told only where it is why there is no process now, ms. */
const recentMs = 3_600_000
/** Unexpected ends within the window from which on they are told as a series. */
const seriesMin = 3

/**
 * Why there is no process, as whoever keeps the agent running has it; undefined where it says nothing to that, and the
 * agent's own record has to be enough.
 */
export function explainAbsence(facts: WhyFacts): Explanation | undefined {
  const { agent, keeping, now } = facts
  if (keeping === undefined || keeping.keeper === 'up') return undefined
  const ended =
    keeping.lastEnd === undefined ? '' : `: ${keeping.lastEnd.text} ${ago(keeping.lastEnd.at, now)}`
  const said =
    keeping.failure === undefined ? '' : `. It said: ${keeping.failure.code}: ${keeping.failure.message}`
  switch (keeping.outcome) {
    case 'failed':
      return {
        reason: 'failed',
        text: `${agent} is not started again, since that would change nothing${said === '' ? ended : said}. Once that is mended, start it`,
        command: `perdura start ${agent}`,
      }
    case 'finished':
      return {
        reason: 'finished',
        text: `${agent} has ended, and by its policy it is not started again${ended}`,
        command: `perdura start ${agent}`,
      }
    case null:
  }
  if (!keeping.isWanted) {
    const when = keeping.lastEnd?.reason === 'stop' ? ` ${ago(keeping.lastEnd.at, now)}` : ''
    return {
      reason: 'not-running',
      text: `${agent} is not running: somebody has stopped it${when}, and it stays so until it is started`,
      command: `perdura start ${agent}`,
    }
  }
  if (keeping.daemon === 'none') {
    return {
      reason: 'no-daemon',
      text: `${agent} is to be running, and no daemon is there to start it${ended}. Nothing that it took in is lost`,
      command: 'perdura daemon start',
    }
  }
  if (keeping.nextTryMs === undefined) return undefined
  const row =
    keeping.failuresInARow > 1 ? `, after ${plural(keeping.failuresInARow, 'failure')} in a row` : ''
  return {
    reason: 'backing-off',
    text: `${agent} is started again in ${formatDuration(keeping.nextTryMs)}${ended}${row}${said}`,
    command: `perdura logs ${agent} -n 20`,
  }
}

/** Safe mode: since when and until when, because of what, and what ends it earlier. */
export function explainSafeMode({ agent, keeping, now }: WhyFacts): Explanation {
  const period = keeping?.safeMode
  const rest =
    'its mind is off, so no turn is begun and no timer fires. What comes in is kept, and handled when it ends'
  if (period === undefined) {
    return {
      reason: 'safe-mode',
      text: `${agent} is in safe mode: ${rest}`,
      command: `perdura logs ${agent} -n 20`,
    }
  }
  const cause = keeping?.crash?.message ?? keeping?.lastFailure?.text
  const because = cause === undefined ? '' : `, because it kept failing (${excerpt(cause)})`
  const until = `it is tried again in ${formatDuration(Math.max(0, period.until - now))}, or at once when its file changes or you say so`
  return {
    reason: 'safe-mode',
    text: `${agent} has been in safe mode for ${formatDuration(Math.max(0, now - period.since))}${because}: ${rest}; ${until}`,
    command: `perdura restart ${agent}`,
  }
}

/** What has happened to its processes lately, and how the one that runs finds itself. */
export function explainKeeping(facts: WhyFacts): Explanation[] {
  const { agent, keeping, process } = facts
  if (keeping === undefined) return []
  const found: Explanation[] = []
  if (keeping.isSuspended && process.pid !== undefined) {
    found.push({
      reason: 'suspended',
      text: `process ${process.pid} was suspended by somebody (SIGSTOP): it does nothing until it is told to go on`,
      command: `kill -CONT ${process.pid}`,
    })
  }
  if (keeping.daemon === 'silent') {
    found.push({
      reason: 'daemon-silent',
      text: 'the daemon runs and does not answer: agents go on, and who dies is not started again until it does',
      command: 'perdura daemon status',
    })
  }
  if (keeping.isOrphan) {
    found.push({
      reason: 'no-daemon',
      text: `the daemon that started ${agent} is gone: it goes on, and is not started again should it end`,
      command: 'perdura daemon start',
    })
  }
  found.push(...explainLastFailure(facts, keeping))
  if (process.safeMode !== true && keeping.failuresInWindow >= seriesMin) {
    found.push({
      reason: 'crash-looping',
      text: `its processes have ended unexpectedly ${keeping.failuresInWindow} times lately${keeping.safeModeAfter === undefined ? '' : `: at ${keeping.safeModeAfter} it goes into safe mode`}`,
      command: `perdura status ${agent}`,
    })
  }
  if (process.state === 'running') {
    for (const { state, text } of keeping.health)
      found.push({ reason: 'unhealthy', text: `${state}: ${text}` })
  }
  if (keeping.unsaved !== undefined) {
    found.push({
      reason: 'unsaved',
      text: `what its daemon has to remember of it could not be written: ${keeping.unsaved}`,
    })
  }
  return found
}

function explainLastFailure({ agent, now, process }: WhyFacts, keeping: KeepingFacts): Explanation[] {
  const { lastFailure, evidence, crash } = keeping
  if (lastFailure === undefined || now - lastFailure.at > recentMs) return []
  const when = ago(lastFailure.at, now)
  const goesOn = process.state === 'running' ? '; it was started again' : ''
  // Told at the moment at which it happened: another one is of another process.
  const isOfThat = (at: number): boolean => Math.abs(at - lastFailure.at) < 60_000
  switch (lastFailure.reason) {
    case 'hung':
    case 'start-timeout': {
      const seen =
        evidence !== undefined && isOfThat(evidence.at)
          ? evidence.text.slice(0, evidenceLengthMax)
          : undefined
      const place = seen === undefined ? '' : `. Just before, ${seen}`
      return [
        {
          reason: 'hung',
          text: `${lastFailure.text} (${when})${goesOn}${place}`,
          command: 'perdura logs daemon -n 20',
        },
      ]
    }
    case 'stalled':
      return [
        { reason: 'stalled', text: `${lastFailure.text} (${when})`, command: `perdura logs ${agent} -n 50` },
      ]
    case 'memory':
      return [
        {
          reason: 'memory',
          text: `${lastFailure.text} (${when})`,
          command: `perdura health ${agent}`,
        },
      ]
    default: {
      const report = crash !== undefined && isOfThat(crash.at)
      const said = lastFailure.said === undefined ? '' : `. It said: ${excerpt(lastFailure.said)}`
      const why = report ? `: ${excerpt(crash.message)}. The report is ${crash.file}` : said
      return [
        {
          reason: 'crashed',
          text: `${lastFailure.text} (${when})${goesOn}${why}`,
          command: `perdura logs ${agent} -n 20`,
        },
      ]
    }
  }
}

/** Of what was seen, as much as is read at once; the daemon has it whole. */
const evidenceLengthMax = 400

function ago(at: number, now: number): string {
  return `${formatDuration(Math.max(0, now - at))} ago`
}
