import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { closeCodes } from '../../../src/protocol/close-codes.ts'
import { agentFrame, hubFrame, resumeCapability } from '../../../src/protocol/frames.ts'

const text = readFileSync(join(import.meta.dirname, '../../../docs/reference/protocol.md'), 'utf8')

function sectionOf(heading: string): string {
  const begin = text.search(new RegExp(`^#+ ${heading}$`, 'm'))
  assert.ok(begin >= 0, `there is no section "${heading}"`)
  const rest = text.slice(text.indexOf('\n', begin))
  const end = rest.search(/^#+ /m)
  return end < 0 ? rest : rest.slice(0, end)
}

const shared = new Set(['credit', 'ping', 'pong'])
const options = [...hubFrame.options, ...agentFrame.options]
const types = [...new Set(options.map(({ entries }) => entries.type.literal))]

function choicesOf(type: string, field: string): readonly string[] {
  const frame = options.find(({ entries }) => entries.type.literal === type)
  const schema = (frame?.entries as Record<string, { readonly options?: readonly string[] }> | undefined)?.[
    field
  ]
  assert.ok(schema?.options !== undefined, `${type}.${field} is no choice`)
  return schema.options
}

for (const type of types) {
  test(`${type} is documented with its fields, and with no other`, () => {
    const frame = options.find(({ entries }) => entries.type.literal === type)
    const section = shared.has(type)
      ? (sectionOf('Frames both ways')
          .split('\n')
          .find((line) => line.startsWith(`| \`${type}\``)) ?? '')
      : sectionOf(type)
    const fields = Object.keys(frame?.entries ?? {}).filter((field) => field !== 'type')
    const missing = fields.filter((field) => !section.includes(`\`${field}\``))
    assert.deepEqual(missing, [])
    const named = [...section.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)]
      .flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name))
      .filter((name) => name !== type)
    assert.deepEqual(
      named.filter((name) => !fields.includes(name)),
      [],
    )
  })
}

test('no frame is documented that does not exist', () => {
  const documented = ['Frames from the hub', 'Frames from the agent'].flatMap((heading) => {
    const begin = text.indexOf(`## ${heading}\n`)
    const end = text.indexOf('\n## ', begin + 4)
    return [...text.slice(begin, end).matchAll(/^### (\w+)$/gm)].map(([, type = '']) => type)
  })
  assert.deepEqual(
    documented.filter((type) => !types.includes(type as (typeof types)[number])),
    [],
  )
  assert.deepEqual(new Set([...documented, ...shared]), new Set(types))
})

test('every close code is documented under its word, and no other', () => {
  const rows = [...sectionOf('Close codes').matchAll(/^\| (\d+) \| `(\w+)` \|/gm)]
  assert.deepEqual(Object.fromEntries(rows.map(([, code, word]) => [word, Number(code)])), { ...closeCodes })
  const mentioned = [...text.matchAll(/\b4[0-9]{3}\b(?!-|,)/g)].map(([code]) => Number(code))
  const known = new Set<number>([...Object.values(closeCodes), 4499, 4999])
  assert.deepEqual(
    mentioned.filter((code) => !known.has(code)),
    [],
  )
})

test('every reason of ready is documented, and no other', () => {
  const named = [...sectionOf('Reasons of ready').matchAll(/^\| `(\w+)` \|/gm)].map(([, reason]) => reason)
  assert.deepEqual(new Set(named), new Set(choicesOf('ready', 'reason')))
})

test('every result of a publication, and the capability, are documented', () => {
  for (const word of [...choicesOf('publish_ack', 'result'), resumeCapability])
    assert.ok(text.includes(`\`${word}\``), word)
})
