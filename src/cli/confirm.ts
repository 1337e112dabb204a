import { createInterface } from 'node:readline/promises'
import { PerduraError } from '../errors.ts'
import type { Call } from './call.ts'

/** Goes on with `--yes`, or where the person at the terminal says so; ERR_USAGE where neither can be. */
export async function confirm(call: Call, question: string): Promise<void> {
  if (call.flag('yes')) return
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new PerduraError('ERR_USAGE', `${question} Say so with --yes`)
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await lines.question(`${question} [y/N] `)
    if (!/^y(es)?$/i.test(answer.trim())) throw new PerduraError('ERR_USAGE', 'nothing was changed')
  } finally {
    lines.close()
  }
}
