import type { SimulatedDisk } from './disk.ts'
import type { SimulatedProcess } from './process.ts'

/**
 * Kills the process at the `point`-th moment (from 0) at which its disk is about to do something, is in the middle of
 * a write, or has just done something. A test walks through all moments by raising `point` until a run ends without
 * a death; `passed` says how many there were.
 */
export function dieAtPoint(
  disk: SimulatedDisk,
  process: SimulatedProcess,
  point: number,
): { readonly passed: number } {
  const progress = { passed: 0 }
  const hook = (): void => {
    if (!process.alive) return
    if (progress.passed === point) process.dieHere()
    progress.passed += 1
  }
  disk.beforeOperation = hook
  disk.afterOperation = hook
  process.onDeath(() => {
    disk.beforeOperation = undefined
    disk.afterOperation = undefined
  })
  return progress
}
