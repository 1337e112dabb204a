import { readFileSync } from 'node:fs'
import type { BootClock } from '../boot-clock.ts'

export function createNodeBootClock(): BootClock {
  return {
    // CLOCK_MONOTONIC: `performance.now()` counts from the start of the process.
    uptimeMs: () => Number(process.hrtime.bigint() / 1_000n) / 1_000,
    bootId: readBootId(),
  }
}

function readBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // Not Linux: whether the machine was started anew shows in how the clocks differ.
    return undefined
  }
}
