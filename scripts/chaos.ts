/** `npm run chaos`: kills a real agent again and again, and has an independent receiver judge what became of its work. */
import { parseArgs } from 'node:util'
import { runChaos, type ChaosReport } from '../test/chaos/chaos.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '2000' },
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    json: { type: 'boolean', default: false },
  },
})

const messages = whole('messages', values.messages)
const kills = whole('kills', values.kills)
// Ctrl-C ends the agents and removes what they wrote, too.
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interrupted.abort())

const report = await runChaos({
  messages,
  kills,
  seed: whole('seed', values.seed),
  deadlineMs: 120_000 + messages * 100 + kills * 2_000,
  signal: interrupted.signal,
  ...(process.stderr.isTTY && { onKill: (done) => process.stderr.write(`\r${done} of ${kills} kills`) }),
})
if (process.stderr.isTTY) process.stderr.write('\r\u001B[K')
if (interrupted.signal.aborted) process.exit(130)
for (const finding of report.findings.slice(0, 20)) process.stderr.write(`✖ ${finding}\n`)
process.stdout.write(values.json ? `${JSON.stringify(document(report))}\n` : table(report))
process.exitCode = report.kept ? 0 : 1

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  process.stderr.write(`--${name} takes a whole number, not "${text}"\n`)
  process.exit(2)
}

function document(report: ChaosReport): object {
  return {
    messages: report.messages,
    kills: report.kills,
    lost: report.lost,
    duplicated: report.duplicated,
    reordered: report.reordered,
    seed: report.seed,
    kept: report.kept,
    acknowledged: report.acknowledged,
    state_differences: report.stateDifferences,
    steps_repeated: report.stepsRepeated,
    effects: report.effects,
    effect_requests: report.arrivals,
    inbox_requests: report.attempts,
    repeats_recognised: report.repeatsRecognised,
    turns_interrupted: report.turnsInterrupted,
    effects_parked: report.parked,
    effects_decided: report.decisions,
    recovery_median_ms: report.recoveryMedianMs,
    duration_ms: report.durationMs,
    findings: report.findings.slice(0, 20),
  }
}

function table(report: ChaosReport): string {
  const { effects } = report
  const rows: [string, string | number][] = [
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
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`)
  return `${lines.join('\n')}\n${report.kept ? 'every promise was kept' : 'PROMISES WERE BROKEN'}\n`
}
