import { openLogFile } from '../../../src/platform/node/log-file.ts'

/**
 * Writes numbered lines of about 500 bytes to a log that is set aside every 64 KiB: `<path> <first> <count> <pauseMs>`; a
 * count of 0 is no end. After each 25 it pauses, for what is compressed in the background. Says each number on standard output once the line is written.
 */
const [path = '', first = '0', count = '0', pauseMs = '1'] = process.argv.slice(2)
const log = openLogFile({ path, fileBytesMax: 64 * 1024, filesMax: 5_000 })
const padding = 'x'.repeat(440)
let next = Number(first)
const end = Number(count) === 0 ? Infinity : next + Number(count)
const work = (): void => {
  for (let batch = 0; batch < 25 && next < end; batch += 1, next += 1) {
    log.write(
      `{"time":"${new Date().toISOString()}","level":"info","event":"test","n":${next},"p":"${padding}"}\n`,
    )
    process.stdout.write(`${next}\n`)
  }
  if (next < end) setTimeout(work, Number(pauseMs))
  else log.close()
}
work()
