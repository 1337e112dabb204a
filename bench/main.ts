/** `npm run bench -- <name>`: measures one thing, beside a baseline, and prints a table or (`--json`) a document. */
import { parseArgs } from 'node:util'
import { describeEnvironment, withFolder, type Environment } from './lib/environment.ts'
import { rounded, type Benchmark, type BenchResult } from './lib/result.ts'

const benchmarks: Readonly<Record<string, () => Promise<{ readonly run: Benchmark }>>> = {
  commit: () => import('./commit.ts'),
  restart: () => import('./restart.ts'),
  relay: () => import('./relay.ts'),
  idle: () => import('./idle.ts'),
  busy: () => import('./busy.ts'),
  herd: () => import('./herd.ts'),
  queue: () => import('./queue.ts'),
}

const usage = `usage: npm run bench -- ${Object.keys(benchmarks).join('|')} [--json] [--folder <path>] [--quick]

  --json     print one JSON document
  --folder   measure on the file system that holds this folder (default: the one for temporary files)
  --quick    a few repetitions only, to see that it works
`

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    folder: { type: 'string' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const [name = ''] = positionals
const load = benchmarks[name]

if (load === undefined || positionals.length > 1) {
  process.stderr.write(usage)
  process.exitCode = values.help ? 0 : 2
} else {
  const { run } = await load()
  await withFolder(values.folder, async (folder) => {
    const environment = describeEnvironment(folder)
    const { figures, baseline, ratio, histograms } = await run({ folder, quick: values.quick })
    const result = {
      name,
      figures: rounded(figures),
      baseline: rounded(baseline),
      ratio: rounded(ratio),
      ...(histograms !== undefined && { histograms }),
    }
    process.stdout.write(
      values.json ? `${JSON.stringify({ ...result, environment })}\n` : table(result, environment),
    )
  })
}

function table(
  { name: title, figures, baseline, ratio, histograms = {} }: BenchResult,
  environment: Environment,
): string {
  const keys = [...new Set([figures, baseline, ratio].flatMap((part) => Object.keys(part)))]
  const rows = [
    [title, 'figure', 'baseline', 'ratio'],
    ...keys.map((key) => [key, ...[figures, baseline, ratio].map((part) => String(part[key] ?? ''))]),
  ]
  const widths = [0, 1, 2, 3].map((at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  const lines = rows.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
  for (const [key, counts] of Object.entries(histograms)) lines.push('', key, ...bars(counts))
  const { cores, cpu, file_system: fileSystem, memory_gb: memory, node } = environment
  return `${lines.join('\n')}\n\n${fileSystem} · ${cores} × ${cpu} · ${memory} GB · Node ${node}\n`
}

/** A line for each count, as long as it is large. */
function bars(counts: readonly number[]): string[] {
  const most = Math.max(1, ...counts)
  return counts.map((count, at) => {
    const bar = '█'.repeat(Math.round((count / most) * 60))
    return `${String(at).padStart(4)} ${String(count).padStart(6)} ${bar}`.trimEnd()
  })
}
