import { StringDecoder } from 'node:string_decoder'
import type { Log } from '../platform/log.ts'
import { createNodeClock } from '../platform/node/clock.ts'
import { TokenBucket } from '../platform/token-bucket.ts'

/** Where no line break has come by then, what follows up to it is left out; the log shows the beginning of a line in any case. */
const lineLengthMax = 64 * 1024
/** Lines that go to the log: what prints more is a nuisance there, and would push out what explains. */
const rate = { perSecond: 50, burst: 500 }

/**
 * What an agent's code prints (`console.log`) becomes lines of its log, `process:output`, where nobody has a terminal to read
 * it at. What comes too fast is counted. Whatever writes to the file descriptors themselves (a crash of V8, a program that
 * the agent started) is in `agent.out`.
 */
export function captureOutput(log: Log): void {
  const bucket = new TokenBucket(createNodeClock(), rate)
  let dropped = 0
  for (const name of ['stdout', 'stderr'] as const) {
    const decoder = new StringDecoder('utf8')
    let rest = ''
    let skipping = false
    const say = (line: string): void => {
      if (!bucket.take()) {
        dropped += 1
        return
      }
      if (dropped > 0) log.warn('process:output:dropped', { lines: dropped })
      dropped = 0
      log.info('process:output', { stream: name, line })
    }
    const write = (chunk: string | Uint8Array, ...given: unknown[]): boolean => {
      const lines = (rest + (typeof chunk === 'string' ? chunk : decoder.write(chunk))).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line !== '' && !skipping) say(line)
        skipping = false
      }
      if (skipping) rest = ''
      else if (rest.length > lineLengthMax) {
        // Whole, and not in pieces: a secret that was cut in two would be known for one in neither.
        say(rest)
        rest = ''
        skipping = true
      }
      const written = given.findLast((one) => typeof one === 'function')
      if (written !== undefined) process.nextTick(written)
      return true
    }
    process[name].write = write
    process.on('exit', () => {
      if (rest !== '') say(rest)
    })
  }
}
