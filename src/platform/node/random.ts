import { randomBytes, randomUUID } from 'node:crypto'
import type { Random } from '../random.ts'

export function createNodeRandom(): Random {
  return {
    bytes: (count) => randomBytes(count),
    uuid: () => randomUUID(),
    fraction: () => Math.random(),
  }
}
