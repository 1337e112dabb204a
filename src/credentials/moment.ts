import * as v from 'valibot'
import type { BootClock } from '../platform/boot-clock.ts'
import type { Clock } from '../platform/clock.ts'

/** A point in time as it is noted on disk, so that another process can tell how long ago it was, or that it cannot. */
export const momentSchema = v.object({
  /** Wall-clock ms. */
  wall: v.pipe(v.number(), v.finite()),
  /** Monotonic ms of the machine. */
  up: v.pipe(v.number(), v.finite()),
  /** Which start of the machine it was. */
  boot: v.optional(v.string()),
})

export type Moment = v.InferOutput<typeof momentSchema>

/** What the two clocks may differ by, ms: NTP slews, and a reading of both takes a moment. */
const agreeWithinMs = 1_500

export function momentOf(clock: Pick<Clock, 'now'>, boot: BootClock): Moment {
  const { bootId } = boot
  return { wall: clock.now(), up: boot.uptimeMs(), ...(bootId !== undefined && { boot: bootId }) }
}

/**
 * Ms between the two. Undefined where nobody can tell: the machine was started anew or has slept, or a clock was set. Then
 * one of the clocks says something else than the other.
 */
export function elapsedMs(from: Moment, to: Moment): number | undefined {
  if (from.boot !== to.boot) return undefined
  const up = to.up - from.up
  const wall = to.wall - from.wall
  if (up < 0 || Math.abs(wall - up) > agreeWithinMs) return undefined
  return Math.max(up, wall)
}
