import type { AgentDefinition } from '../../src/agent/definition.ts'
import type { Json } from '../../src/json.ts'
import { createNodePlatform } from '../../src/platform/node/platform.ts'
import type { Platform } from '../../src/platform/platform.ts'
import type { Agent, AgentEvents } from '../../src/runtime/agent.ts'
import { openAgent, type OpenAgentOptions } from '../../src/runtime/open-agent.ts'
import { withFolder } from './folder.ts'
import { logInto } from './store-folder.ts'

export interface TestAgent extends Agent {
  /** Names of the events that were logged. */
  readonly logged: string[]
  /** Resolves at the next event of this name that `wanted` accepts, or at once where there was one already. */
  event<Name extends keyof AgentEvents>(
    name: Name,
    wanted?: (event: AgentEvents[Name]) => boolean,
  ): Promise<AgentEvents[Name]>
  /** Takes the payload in under its own id and resolves when its turn is done. */
  handle(payload: Json, conversation?: string): Promise<number>
  /** What the person at the terminal was sent, in order. */
  mailbox(): Json[]
  state(): Record<string, unknown>
}

const watched = [
  'turn:attempt:started',
  'turn:attempt:failed',
  'turn:done',
  'turn:parked',
  'turn:dead',
  'outbox:message:delivered',
  'outbox:message:refused',
] as const satisfies readonly (keyof AgentEvents)[]

let ids = 0

/** A real agent in a real folder, with what tests need to see of it. */
export async function openTestAgent<State extends object>(
  home: string,
  definition: AgentDefinition<State>,
  options: OpenAgentOptions = {},
): Promise<TestAgent> {
  const logged: string[] = []
  const agent = await openAgent(definition, { home, log: logInto(logged), ...options })
  const past: { name: string; event: unknown }[] = []
  for (const name of watched) agent.on(name, (event) => past.push({ name, event }))
  const event: TestAgent['event'] = (name, wanted = () => true) =>
    new Promise((resolve) => {
      const known = past.find((one) => one.name === name && wanted(one.event as never))
      if (known !== undefined) {
        resolve(known.event as never)
        return
      }
      const stop = agent.on(name, (next) => {
        if (!wanted(next)) return
        stop()
        resolve(next)
      })
    })
  return Object.assign(agent, {
    logged,
    event,
    async handle(payload: Json, conversation = 'you') {
      const { position } = await agent.ingest({ id: `test-${++ids}`, payload, conversation })
      await event('turn:done', ({ turn }) => turn === position)
      return position
    },
    mailbox: () =>
      agent.reader
        .all<{ content: string }>("SELECT content FROM outbox WHERE recipient = 'you' ORDER BY sequence")
        .map(({ content }) => JSON.parse(content) as Json),
    state: () =>
      Object.fromEntries(
        agent.reader
          .all<{ key: string; value: string }>('SELECT key, value FROM state ORDER BY key')
          .map(({ key, value }) => [key, JSON.parse(value) as unknown]),
      ),
  })
}

/** Opens an agent, uses it and closes it, whatever happens. */
export async function useAgent<T, State extends object>(
  home: string,
  definition: AgentDefinition<State>,
  use: (agent: TestAgent) => Promise<T> | T,
  options: OpenAgentOptions = {},
): Promise<T> {
  const agent = await openTestAgent(home, definition, options)
  try {
    return await use(agent)
  } finally {
    await agent.close({ deadlineMs: 0 })
  }
}

/** An agent in a home of its own, which is removed afterwards. */
export function withAgent<T, State extends object>(
  definition: AgentDefinition<State>,
  use: (agent: TestAgent, home: string) => Promise<T> | T,
  options: OpenAgentOptions = {},
): Promise<T> {
  return withFolder((home) => useAgent(home, definition, (agent) => use(agent, home), options))
}

/** Resolves when `holds` does; fails where that takes longer than anything here may take. */
export async function until(holds: () => boolean): Promise<void> {
  const startedMs = performance.now()
  while (!holds()) {
    if (performance.now() - startedMs > 20_000) throw new Error(`waited in vain until ${holds.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A promise that others settle: a place at which a handler waits. */
export function gate(): { readonly passed: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { passed: promise, open: resolve }
}

/** The real platform with a clock that goes `factor` times as fast: for waits whose length is not the point. */
export function fastPlatform(factor: number): Platform {
  const platform = createNodePlatform()
  const { clock } = platform
  const since = clock.now()
  return {
    ...platform,
    clock: {
      ...clock,
      now: () => since + (clock.now() - since) * factor,
      monotonicMs: () => clock.monotonicMs() * factor,
      setTimer: (delayMs, fire) => clock.setTimer(delayMs / factor, fire),
    },
  }
}
