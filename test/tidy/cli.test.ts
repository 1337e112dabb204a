import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { globalOptions } from '../../src/cli/command.ts'
import { commands } from '../../src/cli/commands/index.ts'
import { assertNone, root } from './sources.ts'

const page = 'docs/reference/cli.md'
const missing = existsSync(join(root, page)) ? false : `${page} does not exist yet`
const text = missing === false ? readFileSync(join(root, page), 'utf8') : ''
const global = Object.keys(globalOptions)

test('every verb has its section, with every option that it takes, and no other', { skip: missing }, () => {
  const wrong = commands.flatMap(({ name, options }) => {
    const section = sectionOf(name)
    if (section === undefined) return [`there is no section "perdura ${name}"`]
    const takes = Object.keys(options)
    const named = optionsIn(section)
    return [
      ...takes.filter((option) => !named.has(option)).map((option) => `"perdura ${name}" lacks --${option}`),
      ...[...named]
        .filter((option) => !takes.includes(option) && !global.includes(option))
        .map((option) => `"perdura ${name}" names --${option}, which it does not take`),
    ]
  })
  assertNone(wrong)
})

test('every option that all verbs take is documented', { skip: missing }, () => {
  const named = optionsIn(text)
  assertNone(global.filter((option) => !named.has(option)))
})

test('every verb with a section exists', { skip: missing }, () => {
  const known = commands.map(({ name }) => name)
  assertNone(sections().flatMap(({ name }) => (name === undefined || known.includes(name) ? [] : [name])))
})

/** The sections of the page: one starts at a heading such as "### perdura turn list", and its verb is the name. */
function sections(): { name: string | undefined; body: string }[] {
  return text.split(/^(?=#{1,6} )/m).map((body) => {
    const heading = (/^#{1,6} (.*)$/m.exec(body)?.[1] ?? '').replaceAll('`', '')
    return { name: /^perdura ([a-z]+(?: [a-z-]+)?)(?=$| [[<])/.exec(heading)?.[1], body }
  })
}

function sectionOf(verb: string): string | undefined {
  return sections().find(({ name }) => name === verb)?.body
}

function optionsIn(body: string): Set<string> {
  return new Set([...body.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map((match) => match[1] ?? ''))
}
