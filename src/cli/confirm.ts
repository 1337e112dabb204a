import { createInterface } from 'node:readline/promises'
import { PerduraError } from '../errors.ts'
import type { Call } from './call.ts'

/** Goes on with `--yes`, or where the person at the terminal says so; ERR_USAGE where neither can be. */
export async function confirm(call: Call, question: string): Promise<void> {
  if (call.flag('yes')) return
  if (!atTerminal()) throw new PerduraError('ERR_USAGE', `${question} Say so with --yes`)
  if (!(await ask(question))) throw new PerduraError('ERR_USAGE', 'nothing was changed')
}

/** What the person at the terminal says; undefined where there is none to ask. `--yes` is a yes. */
export async function offer(call: Call, question: string): Promise<boolean | undefined> {
  if (call.flag('yes')) return true
  return atTerminal() ? await ask(question) : undefined
}

function atTerminal(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY
}

/** No is what whoever types nothing means, and whoever closes the terminal. */
async function ask(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const closed = new AbortController()
  lines.once('close', () => closed.abort())
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal: closed.signal })
    return /^y(es)?$/i.test(answer.trim())
  } catch (error) {
    if (closed.signal.aborted) return false
    throw error
  } finally {
    lines.close()
  }
}
