import { terminal } from '../queue/outbox.ts'
import type { Call } from './call.ts'
import type { LiveModel } from './live-model.ts'
import { describeActivity, renderLive } from './live-view.ts'
import { formatTime, oneLine, printable } from './output.ts'
import type { Activity, ProcessMessage } from './process-messages.ts'
import { Screen } from './screen.ts'

type ReadyMessage = ProcessMessage & { readonly type: 'ready' }

/** How `up` shows what happens. */
export interface Presenter {
  open(): void
  ready(message: ReadyMessage): void
  happened(activity: Activity): void
  /** A line that the agent's process wrote by itself. */
  childLine(line: string): void
  stopping(reason: string): void
  /** Something about the model is not as it was. */
  changed(): void
  close(): void
}

/** One line for each thing: for logs, pipes, service managers. */
export class LinePresenter implements Presenter {
  readonly #call: Call
  readonly #model: LiveModel

  constructor(call: Call, model: LiveModel) {
    this.#call = call
    this.#model = model
  }

  open(): void {
    const { output } = this.#call
    output.note(`starting ${this.#model.agent} (${this.#call.home})`)
  }

  ready(message: ReadyMessage): void {
    for (const line of readyLines(this.#call, this.#model, message)) this.#call.output.line(line)
  }

  happened(activity: Activity): void {
    const own = activity.kind === 'out' && activity.text.startsWith(`${terminal}: `)
    // What the agent says to the person is what the person is here for; it may have more than one line.
    if (own) this.#call.output.line(`${formatTime(activity.at, Date.now())} → ${printable(activity.text)}`)
    else this.#call.output.line(describeActivity(activity, Date.now()))
  }

  childLine(line: string): void {
    this.#call.output.note(line)
  }

  stopping(reason: string): void {
    this.#call.output.note(`stopping (${reason})`)
  }

  changed(): void {
    const { state } = this.#model
    if (state.name === 'backing-off' && state.delayMs > 0) {
      this.#call.output.note(`starting again in ${Math.round(state.delayMs)} ms`)
    }
  }

  close(): void {
    const { agent, kills, restarts, failure } = this.#model
    if (failure === undefined)
      this.#call.output.note(`${agent} is stopped; kills ${kills}, restarts ${restarts}`)
  }
}

const frameMs = 50
const tickMs = 1_000

/** The live view on a terminal. */
export class ScreenPresenter implements Presenter {
  readonly #call: Call
  readonly #model: LiveModel
  readonly #screen: Screen
  #frame: NodeJS.Timeout | undefined
  #tick: NodeJS.Timeout | undefined
  readonly #repaint = (): void => this.changed()

  constructor(
    call: Call,
    model: LiveModel,
    actions: { readonly kill: () => void; readonly stop: () => void },
  ) {
    this.#call = call
    this.#model = model
    this.#screen = new Screen((key) => {
      if (key === 'k' || key === 'K') actions.kill()
      // Ctrl-C and Ctrl-D are ordinary keys here: the terminal passes everything on.
      if (key === 'q' || key === 'Q' || key === '\u0003' || key === '\u0004') actions.stop()
    })
  }

  open(): void {
    this.#screen.open()
    process.stdout.on('resize', this.#repaint)
    this.#tick = setInterval(this.#repaint, tickMs)
    this.changed()
  }

  ready(message: ReadyMessage): void {
    const [first = ''] = readyLines(this.#call, this.#model, message)
    this.#model.add({ at: Date.now(), kind: 'process', text: first })
  }

  happened(): void {
    // The model has it, and `changed` follows.
  }

  childLine(line: string): void {
    this.#model.add({ at: Date.now(), kind: 'process', text: oneLine(line) })
    this.changed()
  }

  stopping(): void {
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
    const { agent, kills, restarts, cameIn, tookEffect, failure } = this.#model
    if (failure !== undefined) return
    this.#call.output.note(
      `${agent} is stopped. Came in ${cameIn}, took effect ${tookEffect}, kills ${kills}, restarts ${restarts}.`,
    )
  }

  #paint(): void {
    this.#screen.paint(
      renderLive(this.#model, {
        size: this.#screen.size,
        now: Date.now(),
        paint: (style, text) => this.#call.output.paint(style, text),
        hint: (command) => this.#call.hint(command),
        keys: this.#screen.hasKeys,
      }),
    )
  }
}

function readyLines(call: Call, model: LiveModel, message: ReadyMessage): string[] {
  const { agent, lastRecoveryMs } = model
  if (lastRecoveryMs !== undefined) {
    return [`${agent} is ready again after ${Math.round(lastRecoveryMs)} ms (process ${message.pid})`]
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
