/**
 * `npm run campaign -- <name>`: the long profile of something whose short one is a test, for a quiet machine and some
 * minutes. Prints a table, or one document with `--json`, and with `--write` puts the figures into the benchmarks page.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Campaign } from './campaigns/campaign.ts'

/** With what each may be told besides, as numbers. */
const campaigns: Readonly<
  Record<string, { load(): Promise<{ readonly campaign: Campaign }>; readonly takes: readonly string[] }>
> = {
  network: { load: () => import('./campaigns/network.ts'), takes: [] },
  systemd: { load: () => import('./campaigns/systemd.ts'), takes: [] },
  container: { load: () => import('./campaigns/container.ts'), takes: [] },
  soak: { load: () => import('./campaigns/soak.ts'), takes: ['minutes', 'agents'] },
}

const page = join(import.meta.dirname, '..', 'docs', 'reference', 'benchmarks.md')
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    minutes: { type: 'string' },
    agents: { type: 'string' },
  },
})
const [name = ''] = positionals
const chosen = campaigns[name]
const numbers = Object.entries({ minutes: values.minutes, agents: values.agents }).flatMap(([key, text]) =>
  text === undefined ? [] : [[key, Number(text)] as const],
)
const wrong = numbers.find(
  ([key, number]) => chosen?.takes.includes(key) !== true || !Number.isInteger(number) || number < 1,
)
if (chosen === undefined || positionals.length > 1 || wrong !== undefined) {
  const known = Object.entries(campaigns).map(([known, { takes }]) =>
    [known, ...takes.map((option) => `[--${option} N]`)].join(' '),
  )
  process.stderr.write(`usage: npm run campaign -- ${known.join(' | ')} [--json] [--write]\n`)
  process.exit(2)
}

const { campaign } = await chosen.load()
const say = (line: string): unknown => process.stderr.write(`${line}\n`)
const {
  document,
  header,
  rows,
  notes = [],
  failures,
  skipped,
} = await campaign(say, Object.fromEntries(numbers))
if (skipped !== undefined) process.stderr.write(`⚠ SKIPPED, nothing was tried: ${skipped}\n`)
for (const failure of failures) process.stderr.write(`✖ ${failure}\n`)
process.stdout.write(
  values.json
    ? `${JSON.stringify({ name, ...document, failures, skipped })}\n`
    : `${[...[header, ...rows].map((row) => row.join('  ')), ...notes].join('\n')}\n`,
)
if (values.write && failures.length === 0 && skipped === undefined) write()
process.exitCode = failures.length === 0 ? 0 : 1

/** Between the two marks of this campaign. */
function write(): void {
  const text = readFileSync(page, 'utf8')
  const [begin, end] = [`<!-- campaign ${name} -->\n`, `<!-- end of campaign ${name} -->\n`]
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`${page} has no place for the campaign "${name}"`)
  const table = [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('')
  const more = notes.map((note) => `${note}\n\n`).join('')
  writeFileSync(page, `${text.slice(0, from)}${begin}\n${table}\n${more}${text.slice(to)}`)
}
