import { PerduraError } from '../errors.ts'
import { listAgents } from '../runtime/home.ts'
import type { Call } from './call.ts'
import { errorDocument } from './output.ts'

/** The agents that one command is about. */
export interface ChosenAgents {
  /** Each once, in the order in which they were written; of `--all` in that of the alphabet. */
  readonly names: readonly string[]
  /** One was named: its document is the whole document, and its error the error of the command. */
  readonly single: boolean
}

export interface AgentResult {
  /** Keys in camel case or as they are to be; it names its agent. */
  readonly document: object
  /** Default 0. */
  readonly exitCode?: number
}

/** Side by side at most: stopping ten agents takes as long as the slowest, and starting a hundred no hundred processes. */
const concurrencyMax = 8

/**
 * Those that were named, or every agent of the home with `--all`, or where the verb means all of them unless it is told
 * otherwise. Throws ERR_USAGE where it is neither, or both. Whether they exist is for whoever acts on them to say: one
 * name that is mistyped does not stop the others.
 */
export function chooseAgents(call: Call, unnamed: 'refused' | 'all' = 'refused'): ChosenAgents {
  const named = [...new Set(call.arguments)]
  const all = call.flag('all')
  if (all && named.length > 0) {
    throw new PerduraError(
      'ERR_USAGE',
      '--all is every agent of the home: name some, or give --all, not both',
    )
  }
  if (named.length > 0) return { names: named, single: named.length === 1 }
  if (all || unnamed === 'all') return { names: listAgents(call.disk, call.home).toSorted(), single: false }
  throw new PerduraError('ERR_USAGE', 'name the agents that are meant, or all of them with --all')
}

/**
 * Does something with each of them, several side by side, and prints one document: that of the agent where one was named,
 * else `{"agents": […]}` in their order, in which one that failed has `success`, `error` and `code`. What fails for one is
 * said and does not keep the others from it. Resolves to the worst exit code, which is the highest. `besides` is put into the
 * document of several.
 */
export async function eachAgent(
  call: Call,
  { names, single }: ChosenAgents,
  act: (agent: string) => Promise<AgentResult> | AgentResult,
  besides: object = {},
): Promise<number> {
  const { output } = call
  const [first] = names
  if (single && first !== undefined) {
    const { document, exitCode = 0 } = await act(first)
    output.document(document)
    return exitCode
  }
  if (names.length === 0) output.note(`no agents in ${call.home}; start one with: ${call.program} up`)
  const documents: object[] = []
  let worst = 0
  let next = 0
  const work = async (): Promise<void> => {
    for (let at = next++; at < names.length; at = next++) {
      const agent = names[at] ?? ''
      let exitCode = 0
      try {
        const result = await act(agent)
        documents[at] = result.document
        exitCode = result.exitCode ?? 0
      } catch (error) {
        output.complaint(error, agent)
        documents[at] = { agent, ...errorDocument(error) }
        exitCode = error instanceof PerduraError ? error.exitCode : 1
      }
      worst = Math.max(worst, exitCode)
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrencyMax, names.length) }, work))
  output.document({ ...besides, agents: documents })
  return worst
}
