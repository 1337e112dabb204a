import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CommandLine } from './command-line.ts'

/** Writes an agent's file beside the home: `handlers` are the body of what `defineAgent` takes, `before` stands above it. */
export function writeAgent(
  cli: CommandLine,
  name: string,
  { handlers, before = '', limits = {} }: { handlers: string; before?: string; limits?: object },
): string {
  const path = join(cli.folder, `${name.toLowerCase()}.mjs`)
  writeFileSync(
    path,
    `import { appendFileSync } from 'node:fs'
import { defineAgent } from 'perdura'
const note = (text) => appendFileSync(${JSON.stringify(join(cli.folder, 'outside'))}, text + '\\n')
${before}
export default defineAgent({ name: '${name}', limits: ${JSON.stringify({ retryDelayMs: 20, ...limits })}, ${handlers} })
`,
  )
  return path
}
