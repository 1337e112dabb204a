import type { ProcessUsage } from './process-usage.ts'

/** Lines of `ps -o pid=,stat=,rss=,time=`: rss in KiB, time as `[[days-]hours:]minutes:seconds[.hundredths]`. */
export function readPs(output: string): ReadonlyMap<number, ProcessUsage> {
  const found = new Map<number, ProcessUsage>()
  for (const line of output.split('\n')) {
    const [pid = '', state = '', kib = '', time = ''] = line.trim().split(/\s+/)
    const parts = /^(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)$/.exec(time)
    if (parts === null) continue
    const [, days = '0', hours = '0', minutes = '0', seconds = '0'] = parts
    const total = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)
    found.set(Number(pid), {
      rssBytes: Number(kib) * 1_024,
      cpuMs: Math.round(total * 1_000),
      suspended: state.startsWith('T'),
    })
  }
  return found
}
