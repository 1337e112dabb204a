import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Field } from '../../../src/settings/field.ts'
import * as sections from '../../../src/settings/sections.ts'
import { SettingsSource } from '../../../src/settings/settings.ts'

const text = readFileSync(join(import.meta.dirname, '../../../docs/reference/settings.md'), 'utf8')

const read = (document: string) =>
  new SettingsSource({ readFile: () => Buffer.from(document) }, '/home').current

const fields: Readonly<Record<string, Readonly<Record<string, Field<unknown>>>>> = {
  supervision: sections.supervisionFields,
  health: sections.healthFields,
  notify: sections.notifyFields,
  logs: sections.logFields,
}

test('every setting is documented with what it takes and its default, in its section, and no other', () => {
  const documented = text
    .split(/^## /m)
    .slice(1)
    .map((body) => {
      const name = body.split('\n', 1)[0] ?? ''
      const rows = [...body.matchAll(/^\| `(\w+)` \| (.*?) \| `(.*?)` \| \S/gm)]
      return [name, rows.map(([, key, takes, written]) => ({ key, takes, written }))]
    })
  const known = Object.entries(fields).map(([name, section]) => [
    name,
    Object.values(section).map(({ key, takes, written }) => ({
      key,
      takes,
      written: JSON.stringify(written),
    })),
  ])
  assert.deepEqual(documented, known)
})

test('every default is one that may be written', () => {
  const written = Object.entries(fields).map(([name, section]) => [
    name,
    Object.fromEntries(Object.values(section).map(({ key, written }) => [key, written])),
  ])
  const settings = read(JSON.stringify(Object.fromEntries(written)))
  assert.deepEqual(settings.base, read('{}').base)
})

test('the example of the page is taken', () => {
  const example = /```json\n([^]*?)```/.exec(text)?.[1] ?? ''
  const settings = read(example)
  assert.equal(settings.of('Ada').health.inboxDegraded, 5_000)
})
