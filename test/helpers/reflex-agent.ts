import type { AgentDefinition, Context, Message } from '../../src/agent/definition.ts'
import { createMemory, createNoteIds } from '../../src/agent/notes.ts'
import type { Json } from '../../src/json.ts'
import { reflexAgent } from '../../src/mind/reflex/reflex.ts'
import type { ReflexState } from '../../src/mind/reflex/state.ts'
import { openNoteIndex } from '../../src/store/sqlite/note-index.ts'
import type { Tx } from '../../src/store/store.ts'
import { openMemoryDb } from './memory-db.ts'
import type { MemoryDb } from './memory-db.ts'

export interface Sent {
  readonly to: string
  readonly conversation: string
  readonly text: string
  readonly hops: number
}

export interface SetTimer {
  readonly id: string
  readonly conversation: string
  readonly dueAt: number
  readonly payload: unknown
}

/** A reflex agent with real memory, whose turns run here one after another, each committed or undone as a whole. */
export interface ReflexHarness {
  readonly db: MemoryDb
  readonly definition: AgentDefinition<ReflexState>
  state: ReflexState
  now: number
  readonly timers: Map<string, SetTimer>
  start(): Promise<void>
  /** What it answers to a message. */
  receive(text: string, message?: Partial<Message>): Promise<Sent[]>
  /** The text of its one answer. */
  say(text: string, from?: string): Promise<string>
  /** Fires the timers that are due at `at`; handled there, late or not. */
  fire(at: number): Promise<Sent[]>
}

export async function withReflexAgent(
  name: string,
  use: (agent: ReflexHarness) => Promise<void> | void,
): Promise<void> {
  const db = openMemoryDb()
  const search = openNoteIndex({ path: ':memory:', reader: db.reader })
  const ids = createNoteIds(db.reader)
  const definition = reflexAgent(name)
  let messages = 0
  let timersSet = 0

  async function turn(
    of: { from: string; conversation: string; hops: number },
    run: (ctx: Context<ReflexState>) => Promise<void> | void,
  ): Promise<Sent[]> {
    const staged: ((tx: Tx) => void)[] = []
    const changes: ((state: ReflexState) => ReflexState | void)[] = []
    const sent: Sent[] = []
    const timers: (() => void)[] = []
    const send = async (to: string, content: Json, conversation: string): Promise<void> => {
      sent.push({ to, conversation, text: content as string, hops: of.hops + 1 })
    }
    const unused = (): never => {
      throw new Error('the reflex mind does not use this')
    }
    await run({
      agent: { name, id: 'agent-1' },
      turn: { id: 1, attempt: 1 },
      state: structuredClone(harness.state),
      signal: new AbortController().signal,
      log: { debug: unused, info: unused, warn: unused, error: unused, with: unused },
      memory: createMemory({
        reader: db.reader,
        search,
        stage: (operation) => void staged.push(operation),
        allocateNoteId: ids,
        now: () => harness.now,
      }),
      now: () => harness.now,
      update: (change) => void changes.push(change),
      step: unused,
      effect: unused,
      reply: (content, options) => send(of.from, content, options?.conversation ?? of.conversation),
      send: (to, content, options) => send(to, content, options?.conversation ?? of.conversation),
      async schedule(when, payload) {
        const id = `timer-${(timersSet += 1)}`
        const dueAt = (when as Date).getTime()
        timers.push(() => void harness.timers.set(id, { id, conversation: of.conversation, dueAt, payload }))
        return id
      },
      async cancel(id) {
        timers.push(() => void harness.timers.delete(id))
      },
    })
    db.write((tx) => {
      for (const operation of staged) operation(tx)
    })
    for (const change of changes) {
      const draft = structuredClone(harness.state)
      harness.state = definition.state.validate(JSON.parse(JSON.stringify(change(draft) ?? draft)))
    }
    for (const set of timers) set()
    return sent
  }

  const harness: ReflexHarness = {
    db,
    definition,
    state: definition.state.validate(definition.state.initial),
    now: Date.UTC(2026, 10, 22, 12, 0, 0),
    timers: new Map(),
    async start() {
      await turn({ from: 'you', conversation: 'you', hops: 0 }, (ctx) =>
        definition.handlers.onStart?.({ first: true, previous: 'none' }, ctx),
      )
    },
    receive(text, message = {}) {
      const from = message.from ?? 'you'
      const full: Message = {
        id: `m${(messages += 1)}`,
        from,
        conversation: from,
        text,
        payload: text,
        receivedAt: harness.now,
        hops: 0,
        inReplyTo: undefined,
        ...message,
      }
      return turn(full, (ctx) => definition.handlers.onMessage?.(full, ctx))
    },
    async say(text, from = 'you') {
      const sent = await harness.receive(text, { from })
      if (sent.length !== 1) throw new Error(`${sent.length} answers to ${text}`)
      return sent[0]?.text ?? ''
    },
    async fire(at) {
      harness.now = at
      const sent: Sent[] = []
      for (const timer of [...harness.timers.values()].filter(({ dueAt }) => dueAt <= at)) {
        harness.timers.delete(timer.id)
        const fired = { ...timer, lateMs: at - timer.dueAt }
        const of = { from: 'you', conversation: timer.conversation, hops: 0 }
        sent.push(...(await turn(of, (ctx) => definition.handlers.onTimer?.(fired, ctx))))
      }
      return sent
    },
  }
  try {
    await harness.start()
    await use(harness)
  } finally {
    search.close()
    db.close()
  }
}
