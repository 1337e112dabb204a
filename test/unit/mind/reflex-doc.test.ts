import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseIntent } from '../../../src/mind/reflex/grammar.ts'
import { parseLeadingWhen, parseTrailingWhen } from '../../../src/mind/reflex/time.ts'
import { stopWords } from '../../../src/store/words.ts'

const doc = readFileSync(new URL('../../../docs/reference/reflex.md', import.meta.url), 'utf8')

function section(title: string): string {
  return doc.split(/^## /m).find((each) => each.startsWith(title)) ?? ''
}

const examples = [...section('Examples').matchAll(/^\| `(.+?)` \| `([a-z-]+)` \| `(\{.*\})` \|$/gm)]

test('the reference has examples of every intent', () => {
  assert.ok(examples.length >= 40, `${examples.length} examples`)
  const rows = section('Examples')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  assert.equal(rows.length, examples.length)
  assert.equal(new Set(examples.map(([, , kind]) => kind)).size, 13)
})

for (const [, text = '', kind, parts = ''] of examples) {
  test(`the reference is right about: ${text}`, () => {
    assert.deepEqual(parseIntent(text, 'Ada'), { kind, ...(JSON.parse(parts) as object) })
  })
}

const times = [...section('Times').matchAll(/^\| (`.*`) \| .+ \|$/gm)].flatMap(([, cell = '']) =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, written = '']) => written),
)

test('the reference lists times', () => assert.ok(times.length >= 15, `${times.length} times`))

for (const written of times) {
  test(`the reference is right that ${written} is a time, before the text and after`, () => {
    assert.equal(parseLeadingWhen(`${written} to call`)?.rest, 'to call')
    assert.equal(parseTrailingWhen(`call ${written}`)?.rest, 'call')
  })
}

test('the reference lists the words that are left out', () => {
  const listed = /^> (.+)$/m.exec(section('How notes are found'))?.[1]?.split(' ')
  assert.deepEqual(listed, [...stopWords].sort())
})
