import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeByTime } from '../../../../src/cli/logs/merge-by-time.ts'

interface Entry {
  readonly orderMs: number
  readonly from: string
}

/** A sequence of batches, and how many of them were asked for. */
function sequence(from: string, ...batches: number[][]): AsyncGenerator<Entry[]> & { asked: number } {
  const count = { asked: 0 }
  const generator = (async function* () {
    for (const batch of batches) {
      count.asked += 1
      yield batch.map((orderMs) => ({ orderMs, from }))
    }
  })()
  return Object.defineProperty(generator, 'asked', { get: () => count.asked }) as typeof generator &
    typeof count
}

async function merged(...sequences: AsyncIterable<Entry[]>[]): Promise<string[]> {
  const all: string[] = []
  for await (const batch of mergeByTime(sequences))
    all.push(...batch.map(({ from, orderMs }) => `${from}${orderMs}`))
  return all
}

test('several sequences become one by their times, across the ends of their batches', async () => {
  const a = sequence('a', [1, 4], [], [5, 9])
  const b = sequence('b', [2], [3, 6], [7, 8])
  assert.deepEqual(await merged(a, b, sequence('c')), 'a1 b2 b3 a4 a5 b6 b7 b8 a9'.split(' '))
})

test('what is of the same time keeps its order, and comes by the order of the sequences', async () => {
  assert.deepEqual(await merged(sequence('a', [1, 1], [2]), sequence('b', [1, 2])), [
    'a1',
    'a1',
    'b1',
    'a2',
    'b2',
  ])
})

test('one batch of each is read ahead, and no more', async () => {
  const a = sequence('a', [1], [10], [11], [12])
  const b = sequence('b', [2], [3], [4], [5])
  const reading = mergeByTime([a, b])
  for (let count = 0; count < 4; count += 1) await reading.next()
  assert.ok(a.asked <= 2 && b.asked >= 3, `${a.asked}, ${b.asked}`)
  await reading.return(undefined)
})

test('nothing is nothing', async () => {
  assert.deepEqual(await merged(), [])
  assert.deepEqual(await merged(sequence('a'), sequence('b', [])), [])
})
