/**
 * Agents in pairs, one side of each, `relay-agents.ts <home> <hub> <own side> <other side> <pairs>`: they play balls to and
 * fro, each stroke a turn that handles one message and sends the next.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defineAgent, openAgent, type Agent } from '../../src/index.ts'
import type { Log } from '../../src/platform/log.ts'

export type RelayOrder =
  /** So many balls for each pair, from here. */
  | { readonly type: 'play'; readonly balls: number }
  /** No more strokes: what is under way is handled, and then told. */
  | { readonly type: 'stop' }

/** What happened to a stroke and when, ms since the epoch. */
export type RelayEvent = readonly [stroke: string, at: number]

export type RelayMessage =
  | { readonly type: 'bench:online' }
  | {
      readonly type: 'bench:played'
      /** In the sender's outbox, on disk. */
      readonly sent: readonly RelayEvent[]
      /** In the recipient's inbox, on disk. */
      readonly taken: readonly RelayEvent[]
      /** The turn that handled it is done. */
      readonly handled: readonly RelayEvent[]
      /** Records that the agents' journals have grown by. */
      readonly commits: number
    }

/** Answers may follow answers 100 times; then a new ball takes the place of the old one. */
const strokesMax = 90
const note = 'x'.repeat(128)

const schema: StandardSchemaV1<{ strokes: number }, { strokes: number }> = {
  '~standard': {
    version: 1,
    vendor: 'bench',
    validate: (given) => ({ value: given as { strokes: number } }),
  },
}

const ignore = (): void => undefined
const silent: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, with: () => silent }

const [home = '', hub = '', ownSide = '', otherSide = '', pairs = ''] = process.argv.slice(2)
const sent: RelayEvent[] = []
const taken: RelayEvent[] = []
const handled: RelayEvent[] = []
let playing = false
let commitsBefore = 0
let served = 0

// Whoever started it is gone.
process.on('disconnect', () => process.exit(0))
const agents = await Promise.all(Array.from({ length: Number(pairs) }, (_, index) => open(index)))
process.on('message', (order: RelayOrder) => {
  if (order.type === 'stop') return void stop()
  for (const events of [sent, taken, handled]) events.length = 0
  playing = true
  commitsBefore = commits()
  for (const agent of agents) for (let ball = 0; ball < order.balls; ball += 1) serve(agent)
})
process.once(
  'SIGTERM',
  () => void Promise.all(agents.map((agent) => agent.close())).then(() => process.exit(0)),
)
tell({ type: 'bench:online' })

async function open(index: number): Promise<Agent> {
  const definition = defineAgent({
    name: `${ownSide}${index}`,
    state: { version: 1, schema, initial: { strokes: 0 } },
    limits: { turnsMax: 64, hopsMax: 100 },
    async onMessage(message, ctx) {
      const { text } = message.payload as { text: string }
      const [ball = '', count = ''] = text.split(':')
      ctx.update((state) => {
        state.strokes += 1
      })
      const next = { text: `${ball}:${Number(count) + 1}`, note }
      if (playing && Number(count) < strokesMax) {
        await ctx.send(`${otherSide}${index}`, next, { conversation: ball })
      } else if (playing) serve(agent)
    },
  })
  const agent = await openAgent(definition, { home, hub, log: silent })
  const online = new Promise<void>((resolve) => {
    agent.on('session:state:changed', ({ to }) => {
      if (to === 'online') resolve()
    })
  })
  const strokes = new Map<number, string>()
  agent.on('outbox:message:committed', ({ text }) => void sent.push([text, now()]))
  agent.on('inbox:entry:accepted', ({ position, from, text }) => {
    if (from === 'you') return
    taken.push([text, now()])
    strokes.set(position, text)
  })
  agent.on('turn:done', ({ turn }) => {
    const stroke = strokes.get(turn)
    if (stroke !== undefined) handled.push([stroke, now()])
    strokes.delete(turn)
  })
  await online
  return agent
}

function serve(agent: Agent): void {
  served += 1
  const ball = `${agent.name}.${served}`
  void agent.ingest({ id: `${ball}-${now()}`, payload: { text: `${ball}:0`, note }, conversation: ball })
}

/** Strokes that are under way come to their end, since nobody answers them. */
async function stop(): Promise<void> {
  playing = false
  let before = -1
  while (before !== handled.length) {
    before = handled.length
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  tell({ type: 'bench:played', sent, taken, handled, commits: commits() - commitsBefore })
}

function commits(): number {
  const positions = agents.map(({ reader }) =>
    reader.get<{ sequence: number }>('SELECT sequence FROM journal_position'),
  )
  return positions.reduce((sum, position) => sum + (position?.sequence ?? 0), 0)
}

function now(): number {
  return performance.timeOrigin + performance.now()
}

function tell(message: RelayMessage): void {
  process.send?.(message)
}
