/**
 * `npm run campaign -- <name>`: the long profile of something whose short one is a test, for a quiet machine and some
 * minutes. Prints a table, or one document with `--json`, and with `--write` puts the figures into the benchmarks page.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Campaign } from './campaigns/campaign.ts'

const campaigns: Readonly<Record<string, () => Promise<{ readonly campaign: Campaign }>>> = {
  network: () => import('./campaigns/network.ts'),
}

const page = join(import.meta.dirname, '..', 'docs', 'reference', 'benchmarks.md')
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
})
const [name = ''] = positionals
const load = campaigns[name]
if (load === undefined || positionals.length > 1) {
  const names = Object.keys(campaigns).join('|')
  process.stderr.write(`usage: npm run campaign -- ${names} [--json] [--write]\n`)
  process.exit(2)
}

const { campaign } = await load()
const { document, header, rows, failures } = await campaign((line) => process.stderr.write(`${line}\n`))
for (const failure of failures) process.stderr.write(`✖ ${failure}\n`)
process.stdout.write(
  values.json
    ? `${JSON.stringify({ name, ...document, failures })}\n`
    : `${[header, ...rows].map((row) => row.join('  ')).join('\n')}\n`,
)
if (values.write && failures.length === 0) write()
process.exitCode = failures.length === 0 ? 0 : 1

/** Between the two marks of this campaign. */
function write(): void {
  const text = readFileSync(page, 'utf8')
  const [begin, end] = [`<!-- campaign ${name} -->\n`, `<!-- end of campaign ${name} -->\n`]
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`${page} has no place for the campaign "${name}"`)
  const table = [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('')
  writeFileSync(page, `${text.slice(0, from)}${begin}\n${table}\n${text.slice(to)}`)
}
