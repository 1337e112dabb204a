import '../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

// That they run and what they print; what they measure is for a quiet machine, and no test.

const main = join(import.meta.dirname, '..', '..', 'bench', 'main.ts')

interface Document {
  readonly name: string
  readonly figures: Readonly<Record<string, number>>
  readonly baseline: Readonly<Record<string, number>>
  readonly ratio: Readonly<Record<string, number>>
  readonly environment: Readonly<Record<string, string | number>>
}

/** Keys that others rely on. */
const promised = {
  commit: { figures: ['commit_median_depth_1_ms', 'turn_median_ms'], ratio: ['commit_median_depth_1'] },
  restart: {
    figures: ['killed_to_resumed_p50_ms', 'killed_to_resumed_p95_ms', 'killed_to_ready_p95_ms'],
    ratio: ['killed_to_resumed_p95', 'killed_to_ready_p95'],
  },
  relay: {
    figures: ['messages_per_second_1', 'messages_per_second_100', 'latency_p95_ms_1', 'hub_rss_mb'],
    ratio: ['messages_per_second_1', 'latency_p50_1'],
  },
  herd: {
    figures: [
      'simulated_all_back_ms',
      'simulated_peak_per_100ms',
      'real_all_back_ms',
      'real_restarted_all_back_ms',
    ],
    ratio: ['simulated_all_back', 'real_all_back'],
  },
  queue: {
    figures: ['messages_per_second', 'live_growth_mb', 'open_live_mb'],
    ratio: ['rss_peak_mb', 'open_live_mb'],
  },
  busy: { figures: ['rss_mb_last_minute', 'rss_mb_when_warm'], ratio: ['rss_mb_last_minute'] },
  idle: { figures: ['agent_rss_mb', 'agent_cpu_percent'], ratio: ['agent_rss_mb'] },
}

for (const [name, keys] of Object.entries(promised)) {
  test(`bench ${name} prints one document with its figures`, { skip: skipOf(name) }, async () => {
    const { stdout } = await bench(name, '--quick', '--json')
    assert.equal(stdout.split('\n').length, 2)
    const { figures, baseline, ratio, environment, ...rest } = JSON.parse(stdout) as Document
    const { histograms = {}, ...others } = rest as { histograms?: Record<string, number[]> }
    assert.deepEqual(others, { name })
    for (const counts of Object.values(histograms))
      assert.ok(counts.length > 0 && counts.every(Number.isFinite))
    for (const key of keys.figures) assert.ok((figures[key] ?? Number.NaN) >= 0, `figures.${key}`)
    for (const key of keys.ratio) assert.ok((ratio[key] ?? Number.NaN) > 0, `ratio.${key}`)
    for (const [key, value] of Object.entries({ ...figures, ...baseline, ...ratio })) {
      assert.ok(Number.isFinite(value), `${key} is ${value}`)
    }
    assert.deepEqual(Object.keys(environment), ['file_system', 'cpu', 'cores', 'memory_gb', 'node'])
  })
}

test('bench says which names there are', async () => {
  const failure = await bench('nonsense').then(
    () => assert.fail('it should have failed'),
    (error: unknown) => error as { code: number; stderr: string },
  )
  assert.equal(failure.code, 2)
  assert.match(failure.stderr, /commit\|restart\|relay\|idle\|busy\|herd\|queue/)
})

function bench(...args: readonly string[]): Promise<{ stdout: string }> {
  return promisify(execFile)(process.execPath, [main, ...args])
}

function skipOf(name: string): string | false {
  return (name === 'idle' || name === 'busy') && process.platform !== 'linux' ? 'there is no /proc' : false
}
