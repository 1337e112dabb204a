import { terminal } from '../queue/outbox.ts'
import type { Call } from './call.ts'
import { renderFleet, type FleetMember } from './fleet-view.ts'
import type { LiveModel } from './live-model.ts'
import { describeActivity, renderLive } from './live-view.ts'
import { formatTime, oneLine, printable, type Style } from './output.ts'
import type { Activity, ProcessMessage } from './process-messages.ts'
import { Screen } from './screen.ts'

type ReadyMessage = ProcessMessage & { readonly type: 'ready' }
type HubMessage = ProcessMessage & { readonly type: 'hub' }

/** How `up` shows what happens. */
export interface Presenter {
  open(): void
  ready(model: LiveModel, message: ReadyMessage): void
  hub(model: LiveModel, message: HubMessage): void
  happened(model: LiveModel, activity: Activity): void
  /** A line that the process wrote by itself. */
  childLine(model: LiveModel, line: string): void
  stopping(reason: string): void
  /** Of all processes, or of none. */
  said(text: string): void
  /** Something about the model is not as it was. */
  changed(model: LiveModel): void
  close(): void
}

/** One line for each thing: for logs, pipes, service managers. */
export class LinePresenter implements Presenter {
  readonly #call: Call
  readonly #members: readonly FleetMember[]
  #hubPid: number | undefined

  constructor(call: Call, members: readonly FleetMember[]) {
    this.#call = call
    this.#members = members
  }

  open(): void {
    const names = this.#members.map(({ model }) => model.agent).join(', ')
    this.#call.output.note(`starting ${names} (${this.#call.home})`)
  }

  ready(model: LiveModel, message: ReadyMessage): void {
    for (const line of readyLines(this.#call, model, message)) this.#call.output.line(line)
  }

  hub(model: LiveModel, message: HubMessage): void {
    if (message.pid !== this.#hubPid) this.#call.output.line(hubLine(model, message))
    this.#hubPid = message.pid
  }

  happened(model: LiveModel, activity: Activity): void {
    const who = this.#members.length > 1 ? `${model.agent} ` : ''
    const own = activity.kind === 'out' && activity.text.startsWith(`${terminal}: `)
    // What the agent says to the person is what the person is here for; it may have more than one line.
    if (own) {
      this.#call.output.line(`${who}${formatTime(activity.at, Date.now())} → ${printable(activity.text)}`)
    } else this.#call.output.line(`${who}${describeActivity(activity, Date.now())}`)
  }

  childLine(_model: LiveModel, line: string): void {
    this.#call.output.note(line)
  }

  stopping(reason: string): void {
    this.#call.output.note(`stopping (${reason})`)
  }

  said(text: string): void {
    this.#call.output.note(text)
  }

  changed({ agent, state }: LiveModel): void {
    if (state.name === 'backing-off' && state.delayMs > 0) {
      const who = this.#members.length > 1 ? `${agent}: ` : ''
      this.#call.output.note(`${who}starting again in ${Math.round(state.delayMs)} ms`)
    }
  }

  close(): void {
    for (const { model } of this.#members) {
      const { agent, kills, restarts, failure } = model
      if (failure === undefined)
        this.#call.output.note(`${agent} is stopped; kills ${kills}, restarts ${restarts}`)
    }
  }
}

const frameMs = 50
const tickMs = 1_000

/** The live view on a terminal. */
export class ScreenPresenter implements Presenter {
  readonly #call: Call
  readonly #members: readonly FleetMember[]
  readonly #hubUrl: string | undefined
  readonly #screen: Screen
  #frame: NodeJS.Timeout | undefined
  #tick: NodeJS.Timeout | undefined
  #hubPid: number | undefined
  readonly #repaint = (): void => this.changed()

  constructor(
    call: Call,
    members: readonly FleetMember[],
    hubUrl: string | undefined,
    actions: {
      readonly kill: (key: string) => void
      readonly stop: () => void
      readonly quit: () => void
    },
  ) {
    this.#call = call
    this.#members = members
    this.#hubUrl = hubUrl
    this.#screen = new Screen((pressed) => {
      const key = pressed.toLowerCase()
      if (/^[kh1-9]$/.test(key)) actions.kill(key)
      // Ctrl-C, Ctrl-D and Ctrl-\ are ordinary keys here: the terminal passes everything on.
      if (key === 'q' || key === '\u0003' || key === '\u0004') actions.stop()
      if (key === '\u001C') actions.quit()
    })
  }

  open(): void {
    this.#screen.open()
    process.stdout.on('resize', this.#repaint)
    this.#tick = setInterval(this.#repaint, tickMs)
    this.changed()
  }

  ready(model: LiveModel, message: ReadyMessage): void {
    const [first = ''] = readyLines(this.#call, model, message)
    model.add({ at: Date.now(), kind: 'process', text: first })
  }

  hub(model: LiveModel, message: HubMessage): void {
    if (message.pid !== this.#hubPid)
      model.add({ at: Date.now(), kind: 'process', text: hubLine(model, message) })
    this.#hubPid = message.pid
  }

  happened(): void {
    // The model has it, and `changed` follows.
  }

  childLine(model: LiveModel, line: string): void {
    model.add({ at: Date.now(), kind: 'process', text: oneLine(line) })
    this.changed()
  }

  stopping(): void {
    this.changed()
  }

  said(text: string): void {
    this.#members[0]?.model.add({ at: Date.now(), kind: 'process', text: oneLine(text) })
    this.changed()
  }

  changed(): void {
    this.#frame ??= setTimeout(() => {
      this.#frame = undefined
      this.#paint()
    }, frameMs)
  }

  close(): void {
    clearTimeout(this.#frame)
    clearInterval(this.#tick)
    process.stdout.off('resize', this.#repaint)
    this.#screen.close()
    for (const { model } of this.#members) {
      const { agent, kills, restarts, cameIn, tookEffect, failure, connected } = model
      if (failure !== undefined) continue
      const figures = connected === undefined ? `Came in ${cameIn}, took effect ${tookEffect}, ` : ''
      this.#call.output.note(`${agent} is stopped. ${figures}kills ${kills}, restarts ${restarts}.`)
    }
  }

  #paint(): void {
    const options = {
      size: this.#screen.size,
      now: Date.now(),
      paint: (style: Style, text: string) => this.#call.output.paint(style, text),
      hint: (command: string) => this.#call.hint(command),
      keys: this.#screen.hasKeys,
    }
    const [only, ...others] = this.#members
    if (only !== undefined && others.length === 0) this.#screen.paint(renderLive(only.model, options))
    else this.#screen.paint(renderFleet(this.#members, this.#hubUrl, options))
  }
}

function hubLine({ lastRecoveryMs }: LiveModel, { pid, url }: HubMessage): string {
  return lastRecoveryMs === undefined
    ? `the hub is ready at ${url} (process ${pid})`
    : `the hub is ready again after ${Math.round(lastRecoveryMs)} ms (process ${pid})`
}

function readyLines(call: Call, model: LiveModel, message: ReadyMessage): string[] {
  const { agent, lastRecoveryMs } = model
  if (lastRecoveryMs !== undefined) {
    const how = message.safeMode
      ? '; in safe mode, since it failed too often: what comes in is kept, and its mind is tried again later'
      : ''
    return [`${agent} is ready again after ${Math.round(lastRecoveryMs)} ms (process ${message.pid})${how}`]
  }
  const recovered =
    message.previous === 'killed'
      ? `; its last process was killed: ${count(message.replayedRecords, 'change')} caught up, ${count(message.interruptedTurns, 'turn')} to go on with`
      : ''
  const unread =
    message.totals.unread === 0
      ? []
      : [`  for you:     ${message.totals.unread} unread: ${call.hint(`perdura chat ${agent}`)}`]
  return [
    `${agent} is ready (process ${message.pid}${recovered})`,
    `  talk to it:  ${call.hint(`perdura send ${agent} "hello" --wait`)}`,
    `  webhooks:    POST ${message.ingressUrl}`,
    ...unread,
  ]
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
