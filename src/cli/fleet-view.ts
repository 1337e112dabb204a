import { formatDuration } from '../duration.ts'
import type { LiveModel } from './live-model.ts'
import { activitySegments, compose, type Segment, type ViewOptions } from './live-view.ts'
import { displayWidth, fit, oneLine, type Style } from './output.ts'

/** One process of a fleet, and the key that kills it. */
export interface FleetMember {
  readonly model: LiveModel
  readonly kind: 'hub' | 'agent'
  readonly key: string
}

/** Of the queues: how many are open, of how many; those of the outbox since the process started. */
const columns = [
  ' ',
  'name',
  'process',
  'session',
  'gen',
  'inbox',
  'outbox',
  'kills',
  'restarts',
  'recovery',
] as const

/** The live view of a hub and its agents, as the lines of a screen. */
export function renderFleet(
  members: readonly FleetMember[],
  hubUrl: string | undefined,
  options: ViewOptions,
): string[] {
  const { size, now } = options
  const agents = members.filter(({ kind }) => kind === 'agent')
  const title = agents.map(({ model }) => model.agent).join(' and ')
  const rows = members.map((member) => cellsOf(member, now))
  const lines: Segment[][] = [
    [
      { text: ` ${title}`, style: 'bold' },
      { text: hubUrl === undefined ? '  without a hub' : `  at the hub ${hubUrl}`, style: 'dim' },
    ],
    [{ text: ` ${'─'.repeat(Math.max(0, size.columns - 2))}`, style: 'dim' }],
    ...table(rows, size.columns),
    ...members.flatMap((member) => trouble(member)),
    [],
  ]
  const [first] = agents
  const name = first?.model.agent ?? 'Ada'
  const other = agents[1]?.model.agent
  const ask = other === undefined ? 'hello' : `ask ${other} to remember that it rains`
  const killKeys = members.map(({ key, model }) => `${key} ${model.agent}`).join(', ')
  const footer: Segment[][] = [
    [],
    [{ text: ` talk to ${name}  ${options.hint(`perdura send ${name} "${ask}" --wait`)}`, style: 'cyan' }],
    [{ text: ` what it says  ${options.hint(`perdura chat ${name}`)}`, style: 'cyan' }],
    [
      {
        text: options.keys ? ` kill -9: ${killKeys} (each comes back)    q stop` : ' Ctrl-C stops them',
        style: 'dim',
      },
    ],
  ]
  const room = Math.max(0, size.rows - lines.length - footer.length)
  for (const line of room === 0 ? [] : newest(members, room, now)) lines.push(line)
  while (lines.length < size.rows - footer.length) lines.push([])
  return [...lines, ...footer]
    .slice(0, size.rows)
    .map((segments) => compose(segments, size.columns, options.paint))
}

function cellsOf({ key, kind, model }: FleetMember, now: number): Segment[] {
  const { session, totals, counters } = model
  const agent = kind === 'agent'
  const dash = '–'
  const recovery = model.lastRecoveryMs === undefined ? dash : `${Math.round(model.lastRecoveryMs)} ms`
  return [
    { text: key, style: 'dim' },
    { text: model.agent, style: 'bold' },
    processCell(model, now),
    agent
      ? sessionCell(model, now)
      : { text: model.connected === undefined ? dash : `${model.connected} connected` },
    { text: session === null ? dash : String(session.generation) },
    { text: agent ? `${totals.open}/${totals.received}` : dash },
    { text: agent ? `${totals.outgoing}/${counters.sent}` : dash },
    { text: String(model.kills) },
    { text: String(model.restarts) },
    { text: recovery },
  ]
}

function processCell({ state, readySince }: LiveModel, now: number): Segment {
  switch (state.name) {
    case 'running': {
      const since = formatDuration(Math.max(0, now - (readySince ?? now)))
      if (state.mode === 'safe') return { text: `safe mode ${since}`, style: 'red' }
      return { text: `running ${since}`, style: 'green' }
    }
    case 'starting':
      return { text: 'starting', style: 'yellow' }
    case 'backing-off':
      return { text: state.crashLooping ? 'crash-looping' : 'died', style: 'red' }
    case 'killing':
      return { text: state.reason, style: 'red' }
    case 'queued':
    case 'restarting':
    case 'stopping':
      return { text: state.name, style: 'yellow' }
    case 'stopped':
    case 'failed':
    case 'finished':
    case 'left':
      return { text: state.name, style: 'red' }
  }
}

function sessionCell({ session }: LiveModel, now: number): Segment {
  if (session === null) return { text: '–' }
  const style: Style = session.state === 'online' ? 'green' : 'yellow'
  return { text: `${session.state} ${formatDuration(Math.max(0, now - session.since))}`, style }
}

/** Why something is not as it should be, below the table, where there is room for a sentence. */
function trouble({ model }: FleetMember): Segment[][] {
  const { failure, session } = model
  const lines: Segment[][] = []
  if (failure !== undefined) {
    lines.push([{ text: ` ${model.agent}: ${failure.code}: ${oneLine(failure.message)}`, style: 'red' }])
  }
  if (session !== null && session.state !== 'online') {
    lines.push([{ text: ` ${model.agent} is ${session.state}: ${oneLine(session.reason)}`, style: 'yellow' }])
  }
  return lines
}

/** Columns as wide as their widest cell; where the terminal is too narrow for all, the last ones are left out. */
function table(rows: readonly (readonly Segment[])[], width: number): Segment[][] {
  const widths = columns.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => displayWidth(row[column]?.text ?? ''))),
  )
  const line = (cells: readonly Segment[]): Segment[] =>
    cells.map(({ text, style }, column) => ({
      text: ` ${fit(text, width)}${' '.repeat(Math.max(0, (widths[column] ?? 0) - displayWidth(text)))}`,
      ...(style !== undefined && { style }),
    }))
  return [line(columns.map((text) => ({ text, style: 'dim' as const }))), ...rows.map(line)]
}

/** What happened last, wherever it happened. */
function newest(members: readonly FleetMember[], count: number, now: number): Segment[][] {
  const wide = Math.max(...members.map(({ model }) => displayWidth(model.agent)))
  return members
    .flatMap(({ model }) => model.activity.slice(-count).map((activity) => ({ model, activity })))
    .toSorted((a, b) => a.activity.at - b.activity.at)
    .slice(-count)
    .map(({ model, activity }) => {
      const [time, ...rest] = activitySegments(activity, now)
      const name = `${model.agent}${' '.repeat(wide - displayWidth(model.agent))} `
      return [...(time === undefined ? [] : [time]), { text: name, style: 'dim' }, ...rest]
    })
}
