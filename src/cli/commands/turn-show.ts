import { ordinalKey } from '../../agent/steps.ts'
import { formatDuration } from '../../duration.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import { showTurn, type TurnView } from '../../runtime/turn-queries.ts'
import { decideCommand } from '../../runtime/why.ts'
import type { Call } from '../call.ts'
import { readAgent } from '../database.ts'
import { requireAgent } from '../look.ts'
import { excerpt, formatTime, oneLine, printable } from '../output.ts'
import { noSuchTurn, paintStatus, parseTurn } from '../turn-table.ts'

export function run(call: Call): undefined {
  const agent = call.argument(0)
  showOne(call, agent, requireAgent(call, agent), parseTurn(call.argument(1)))
}

export function showOne(call: Call, agent: string, paths: AgentPaths, number: number): undefined {
  const turn = readAgent(call, paths, (store) => showTurn(store.reader, number))
  if (turn === undefined) throw noSuchTurn(agent, number)
  show(call, agent, turn)
  call.output.document({ agent, ...turn })
}

function show(call: Call, agent: string, turn: TurnView): void {
  const { output } = call
  const now = Date.now()
  const time = (at: number): string => formatTime(at, now)
  const line = (title: string, text: string): void =>
    output.line(`${output.paint('dim', title.padEnd(12))} ${text}`)

  output.line(`${output.paint('bold', `turn ${turn.turn}`)}  ${paintStatus(output, turn.status)}`)
  line('came in', `${time(turn.receivedAt)}, ${turn.kind} "${oneLine(turn.id)}" from ${turn.from}`)
  line('conversation', turn.conversation)
  line('attempts', `${turn.attempts} (${turn.failures} failed, ${turn.crashes} ended with the process)`)
  if (turn.startedAt !== null) line('begun', time(turn.startedAt))
  if (turn.finishedAt !== null) {
    const took = turn.startedAt === null ? '' : `, after ${formatDuration(turn.finishedAt - turn.startedAt)}`
    line('ended', `${time(turn.finishedAt)}${took}`)
  }
  if (turn.status === 'pending' && turn.availableAt > now)
    line('next attempt', `in ${formatDuration(turn.availableAt - now)}`)
  if (turn.error !== null) line('error', oneLine(turn.error))
  line('text', printable(turn.text))

  for (const step of turn.steps) {
    line(
      'step',
      `${label(step)}  ${time(step.recordedAt)}, ${formatDuration(step.durationMs)}: ${excerpt(JSON.stringify(step.result), 80)}`,
    )
  }
  for (const effect of turn.effects) {
    const outcome =
      effect.status === 'done' ? excerpt(JSON.stringify(effect.result), 80) : excerpt(effect.error ?? '', 80)
    line(
      'effect',
      `${label(effect)}  ${effect.status} (${effect.policy}, run ${effect.runs}×)  ${outcome}`.trimEnd(),
    )
    line('', `key ${effect.key}`)
  }
  for (const message of turn.sent) {
    line('sent', `to ${message.to}  ${message.status}  ${excerpt(message.text, 100)}`)
    if (message.error !== null) line('', oneLine(message.error))
  }
  if (turn.deadLetter !== null) {
    line('set aside', `${time(turn.deadLetter.createdAt)}: ${oneLine(turn.deadLetter.reason)}`)
    line('evidence', excerpt(JSON.stringify(turn.deadLetter.evidence), 2_000))
    output.line(output.paint('dim', `  try again: ${call.hint(`perdura turn retry ${agent} ${turn.turn}`)}`))
  }
  for (const effect of turn.effects.filter(
    (candidate) => turn.status === 'parked' && candidate.status === 'unknown',
  )) {
    const command = decideCommand(agent, turn.turn, effect)
    output.line(
      output.paint(
        'yellow',
        `  nobody knows whether "${ordinalKey(effect.name, effect.occurrence)}" happened; look there, then: ${call.hint(command)}`,
      ),
    )
  }
}

function label(part: { readonly name: string; readonly occurrence: number }): string {
  return part.occurrence <= 1 ? part.name : `${part.name} #${part.occurrence}`
}
