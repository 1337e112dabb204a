import { formatDuration } from '../duration.ts'
import type { LiveModel } from './live-model.ts'
import { displayWidth, fit, formatTime, oneLine, type Style } from './output.ts'
import type { Activity, SessionFigures } from './process-messages.ts'

export interface ViewSize {
  readonly columns: number
  readonly rows: number
}

export interface ViewOptions {
  readonly size: ViewSize
  readonly now: number
  readonly paint: (style: Style, text: string) => string
  /** A command as the reader can type it. */
  readonly hint: (command: string) => string
  readonly keys: boolean
}

export interface Segment {
  readonly text: string
  readonly style?: Style
}

/** The live view of `up` of one agent, as the lines of a screen. */
export function renderLive(model: LiveModel, options: ViewOptions): string[] {
  const { size, now } = options
  const { counters } = model
  const lines: Segment[][] = [
    [{ text: ` ${model.agent}`, style: 'bold' }, { text: '  ' }, ...stateSegments(model, now)],
    [{ text: ` ${'─'.repeat(Math.max(0, size.columns - 2))}`, style: 'dim' }],
    figures([
      ['came in', model.cameIn],
      ['took effect', model.tookEffect],
      ['waiting', model.totals.open],
      ['duplicates refused', counters.duplicates],
      ['failed attempts', counters.failures],
    ]),
    figures([
      ['kills', model.kills],
      ['restarts', model.restarts],
      ['last recovery', model.lastRecoveryMs === undefined ? '–' : `${Math.round(model.lastRecoveryMs)} ms`],
      ['parked', model.totals.parked],
      ['set aside', model.totals.dead],
      ['unread', model.totals.unread],
    ]),
    ...(model.session === null ? [] : [sessionLine(model.session, now)]),
    [],
  ]
  const footer: Segment[][] = [
    [],
    [{ text: ` talk to it   ${options.hint(`perdura send ${model.agent} "hello" --wait`)}`, style: 'cyan' }],
    [
      {
        text: ` webhooks     ${model.ingressUrl === undefined ? 'not yet' : `POST ${model.ingressUrl}`}`,
        style: 'dim',
      },
    ],
    [
      {
        text: options.keys ? ' k  kill its process (it comes back)    q  stop' : ' Ctrl-C stops it',
        style: 'dim',
      },
    ],
  ]
  const room = Math.max(0, size.rows - lines.length - footer.length)
  const activity = model.activity.slice(-room || model.activity.length)
  for (const entry of room === 0 ? [] : activity) lines.push(activitySegments(entry, now))
  while (lines.length < size.rows - footer.length) lines.push([])
  return [...lines, ...footer]
    .slice(0, size.rows)
    .map((segments) => compose(segments, size.columns, options.paint))
}

/** One thing that happened, as a line. */
export function describeActivity(activity: Activity, now: number): string {
  return `${formatTime(activity.at, now)} ${marks[activity.kind].mark} ${oneLine(activity.text)}`
}

const marks = {
  in: { mark: '←', style: 'cyan' },
  duplicate: { mark: '=', style: 'dim' },
  out: { mark: '→', style: 'bold' },
  done: { mark: '✓', style: 'green' },
  failed: { mark: '!', style: 'yellow' },
  parked: { mark: '?', style: 'yellow' },
  dead: { mark: '✗', style: 'red' },
  refused: { mark: '✗', style: 'red' },
  process: { mark: '·', style: 'yellow' },
  session: { mark: '~', style: 'cyan' },
} as const satisfies Record<Activity['kind'], { mark: string; style: Style }>

function stateSegments(model: LiveModel, now: number): Segment[] {
  const { state } = model
  switch (state.name) {
    case 'running': {
      const since = formatDuration(Math.max(0, now - (model.readySince ?? now)))
      return [
        state.mode === 'safe'
          ? { text: 'in safe mode, its mind is off', style: 'red' }
          : { text: 'running', style: 'green' },
        { text: `  process ${state.pid ?? '?'}, for ${since}`, style: 'dim' },
      ]
    }
    case 'starting':
      return [
        { text: 'starting', style: 'yellow' },
        { text: `  process ${state.pid ?? '?'}`, style: 'dim' },
      ]
    case 'backing-off': {
      const often = state.crashLooping ? 'dies again and again' : 'died'
      return [{ text: `${often}; starts again within ${formatDuration(state.delayMs)}`, style: 'red' }]
    }
    case 'killing': {
      const why = state.reason === 'hung' ? 'does not answer' : 'does not become ready'
      return [{ text: `${why}; is being killed`, style: 'red' }]
    }
    case 'queued':
    case 'restarting':
    case 'stopping':
      return [{ text: state.name, style: 'yellow' }]
    case 'stopped':
    case 'failed':
    case 'finished':
    case 'left':
      return [{ text: state.name, style: 'red' }]
  }
}

function figures(pairs: readonly (readonly [string, string | number])[]): Segment[] {
  return pairs.flatMap(([title, value]) => [
    { text: ` ${title} `, style: 'dim' as const },
    { text: `${value}  `, style: 'bold' as const },
  ])
}

function sessionLine(
  { state, reason, since, generation }: NonNullable<SessionFigures>,
  now: number,
): Segment[] {
  return [
    { text: ' session ', style: 'dim' },
    { text: state, style: state === 'online' ? 'green' : 'yellow' },
    {
      text: `  for ${formatDuration(Math.max(0, now - since))}: ${oneLine(reason)}; generation ${generation}`,
      style: 'dim',
    },
  ]
}

export function activitySegments(activity: Activity, now: number): Segment[] {
  const { mark, style } = marks[activity.kind]
  return [
    { text: ` ${formatTime(activity.at, now)} `, style: 'dim' },
    { text: `${mark} `, style },
    activity.kind === 'out'
      ? { text: oneLine(activity.text), style: 'bold' }
      : { text: oneLine(activity.text) },
  ]
}

/** Cut to the width before it is painted: what paints takes no columns. */
export function compose(segments: readonly Segment[], columns: number, paint: ViewOptions['paint']): string {
  let rest = columns
  let line = ''
  for (const { text, style } of segments) {
    if (rest <= 0) break
    const cut = fit(text, rest)
    rest -= displayWidth(cut)
    line += style === undefined ? cut : paint(style, cut)
  }
  return line
}
