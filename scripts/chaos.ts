/**
 * `npm run chaos`: kills real processes again and again, and has who is none of them judge what became of their work. Of
 * a hub and three agents (`--world hub`), of one agent and all that it does to the outside (`--world agent`), or of a daemon,
 * its agents and the commands that start and stop them (`--world daemon`).
 */
import { parseArgs } from 'node:util'
import { runChaos, type ChaosReport } from '../test/chaos/chaos.ts'
import { runAbuse, type AbuseReport } from '../test/chaos/daemon/abuse.ts'
import { runHubChaos, type HubChaosReport } from '../test/chaos/hub/run.ts'

type Rows = readonly (readonly [string, string | number])[]

const { values } = parseArgs({
  options: {
    world: { type: 'string', default: 'hub' },
    messages: { type: 'string' },
    kills: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    json: { type: 'boolean', default: false },
  },
})

const { world } = values
const defaults = new Map([
  ['hub', { messages: '5000', kills: '300' }],
  ['agent', { messages: '2000', kills: '200' }],
  // Persons write to the agents for as long as it takes.
  ['daemon', { messages: '0', kills: '100' }],
]).get(world)
if (defaults === undefined) usage(`--world takes hub, agent or daemon, not "${world}"`)
const messages = whole('messages', values.messages ?? defaults.messages)
const kills = whole('kills', values.kills ?? defaults.kills)
// Ctrl-C ends the processes and removes what they wrote, too.
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interrupted.abort())

const options = {
  messages,
  kills,
  seed: whole('seed', values.seed),
  deadlineMs: 120_000 + messages * 100 + kills * 2_000,
  signal: interrupted.signal,
  ...(process.stderr.isTTY && {
    onKill: (done: number) => process.stderr.write(`\r${done} of ${kills} kills`),
  }),
}
const { report, document, rows } = await { hub: killHub, agent: killAgent, daemon: killDaemon }[
  world as 'hub' | 'agent' | 'daemon'
]()
if (process.stderr.isTTY) process.stderr.write('\r\u001B[K')
if (interrupted.signal.aborted) process.exit(130)
for (const finding of report.findings.slice(0, 20)) process.stderr.write(`✖ ${finding}\n`)
process.stdout.write(values.json ? `${JSON.stringify(document)}\n` : table(rows, report.kept))
process.exitCode = report.kept ? 0 : 1

async function killHub(): Promise<{ report: HubChaosReport; document: object; rows: Rows }> {
  if (kills < 10) usage('--kills: 10 at least, since hub and agents are put back to earlier times in between')
  const report = await runHubChaos({ ...options, keepEvidence: true })
  if (report.folder !== undefined) process.stderr.write(`the evidence is in ${report.folder}\n`)
  return {
    report,
    document: {
      ...shared(report),
      inputs: report.inputs,
      refused: report.refused,
      kills_of_hub: report.killsOfHub,
      effects_undone: report.effectsUndone,
      messages_undone: report.messagesUndone,
      recovery_median_ms: report.recoveryMedianMs,
      converged_ms: report.convergedMs,
      duration_ms: report.durationMs,
      findings: report.findings.slice(0, 20),
    },
    rows: [
      ['messages between agents', `${report.messages}, from ${report.inputs} inputs`],
      ['kills (SIGKILL)', `${report.kills}, of the hub ${report.killsOfHub}`],
      ['lost', report.lost],
      ['duplicated', report.duplicated],
      ['reordered', report.reordered],
      ['refused, as they had to be', report.refused],
      ['effects undone by putting an agent back', report.effectsUndone],
      ['messages undone by putting the hub back', report.messagesUndone],
      ['start to ready, median', `${report.recoveryMedianMs} ms`],
      ['last kill to rest', `${(report.convergedMs / 1_000).toFixed(1)} s`],
      ['took', `${(report.durationMs / 1_000).toFixed(1)} s`],
      ['seed', report.seed],
    ],
  }
}

async function killAgent(): Promise<{ report: ChaosReport; document: object; rows: Rows }> {
  const report = await runChaos(options)
  const { effects } = report
  return {
    report,
    document: {
      ...shared(report),
      acknowledged: report.acknowledged,
      state_differences: report.stateDifferences,
      steps_repeated: report.stepsRepeated,
      effects,
      effect_requests: report.arrivals,
      inbox_requests: report.attempts,
      repeats_recognised: report.repeatsRecognised,
      turns_interrupted: report.turnsInterrupted,
      effects_parked: report.parked,
      effects_decided: report.decisions,
      recovery_median_ms: report.recoveryMedianMs,
      duration_ms: report.durationMs,
      findings: report.findings.slice(0, 20),
    },
    rows: [
      ['inputs acknowledged', `${report.acknowledged} of ${report.messages}, in ${report.attempts} requests`],
      ['kills (SIGKILL)', report.kills],
      ['turns that they hit', report.turnsInterrupted],
      ['lost', report.lost],
      ['duplicated', report.duplicated],
      ['reordered', report.reordered],
      ['keys of the state that differ from the model', report.stateDifferences],
      ['steps run again after they were recorded', report.stepsRepeated],
      [
        'effects performed',
        `${effects.idempotent} idempotent, ${effects.verify} checked, ${effects.unkeyed} unkeyed`,
      ],
      ['requests for them', report.arrivals],
      ['effects that a person decided', report.parked],
      ['repeated inputs recognised', report.repeatsRecognised],
      ['start to ready, median', `${report.recoveryMedianMs} ms`],
      ['took', `${(report.durationMs / 1_000).toFixed(1)} s`],
      ['seed', report.seed],
    ],
  }
}

async function killDaemon(): Promise<{ report: AbuseReport; document: object; rows: Rows }> {
  const report = await runAbuse({ ...options, patienceMs: 60_000, keepEvidence: true })
  if (report.folder !== undefined) process.stderr.write(`the evidence is in ${report.folder}\n`)
  return {
    report,
    document: {
      ...shared(report),
      kills_of: report.killsOf,
      commands: report.commands,
      duration_ms: report.durationMs,
      findings: report.findings.slice(0, 20),
    },
    rows: [
      ['commands', report.commands],
      [
        'kills (SIGKILL)',
        Object.entries(report.killsOf)
          .map(([victim, times]) => `${times} of ${victim}`)
          .join(', '),
      ],
      ['messages', report.messages],
      ['lost', report.lost],
      ['duplicated', report.duplicated],
      ['reordered', report.reordered],
      ['took', `${(report.durationMs / 1_000).toFixed(1)} s`],
      ['seed', report.seed],
    ],
  }
}

/** Keys that others rely on. */
function shared(report: ChaosReport | HubChaosReport | AbuseReport): object {
  const { messages: sent, kills: killed, lost, duplicated, reordered, seed, kept } = report
  return { messages: sent, kills: killed, lost, duplicated, reordered, seed, kept }
}

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  usage(`--${name} takes a whole number, not "${text}"`)
}

function usage(problem: string): never {
  process.stderr.write(`${problem}\n`)
  process.exit(2)
}

function table(lines: Rows, kept: boolean): string {
  const width = Math.max(...lines.map(([name]) => name.length))
  const text = lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`)
  return `${text.join('\n')}\n${kept ? 'every promise was kept' : 'PROMISES WERE BROKEN'}\n`
}
