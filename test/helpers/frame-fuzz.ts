import type { SeededRandom } from '../../src/testing/index.ts'

/** Values that are wrong nearly everywhere. */
function strange(random: SeededRandom): unknown {
  return random.pick<() => unknown>([
    () => null,
    () => true,
    () => -1,
    () => 0,
    () => 1.5,
    () => Number.MAX_SAFE_INTEGER,
    () => 2 ** 53,
    () => 1e308,
    () => '',
    () => '\0',
    () => '\ud800',
    () => 'x'.repeat(random.int(1, 3_000)),
    () => '1',
    () => [],
    () => [[[1]]],
    () => ({}),
    () => ({ ['__proto__']: 1, constructor: 2 }),
    () => nested(random.int(90, 110)),
  ])()
}

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

/** A frame, or what is left of it: as text, since not all of it is JSON. */
export function mutate(random: SeededRandom, frame: object): string {
  const kind = random.int(0, 9)
  if (kind <= 3) return JSON.stringify(withStrangeField(random, frame))
  const text = JSON.stringify(frame)
  switch (kind) {
    case 4:
      return text.slice(0, random.int(0, text.length))
    case 5: {
      const at = random.int(0, text.length - 1)
      return text.slice(0, at) + String.fromCharCode(random.int(0, 0x2f_ff)) + text.slice(at + 1)
    }
    case 6:
      return text.replace(
        /:(\d+)/,
        random.pick([':1e999', ':-0', ':00', ':123456789012345678901234567890', ':NaN']),
      )
    case 7: {
      const depth = random.pick([100, 1_000, 100_000])
      return text.replace(/"content":"[^"]*"/, `"content":${'['.repeat(depth)}${']'.repeat(depth)}`)
    }
    case 8:
      return random.pick([
        '',
        ' ',
        '[]',
        'null',
        '0',
        '""',
        '{}',
        '{"type":null}',
        '\0',
        '﻿{}',
        '{"type":"nothing"}',
      ])
    default:
      return text
  }
}

function withStrangeField(random: SeededRandom, frame: object): object {
  const copy = structuredClone(frame) as Record<string, unknown>
  let target = copy
  let keys = Object.keys(target)
  let key = random.pick(keys)
  const inner = target[key]
  if (typeof inner === 'object' && inner !== null && !Array.isArray(inner) && random.chance(0.7)) {
    target = inner as Record<string, unknown>
    keys = Object.keys(target)
    key = keys.length > 0 ? random.pick(keys) : 'x'
  }
  if (random.chance(0.2)) delete target[key]
  else target[key] = strange(random)
  return copy
}
