import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { assertNone, readSources, root } from './sources.ts'

const table = 'src/errors.ts'
const page = 'docs/reference/errors.md'

/** Codes of Node itself that the code looks for. */
const foreign =
  /^ERR_(HTTP_REQUEST_TIMEOUT|MODULE_NOT_FOUND|PACKAGE_PATH_NOT_EXPORTED|PARSE_ARGS_\w+|SQLITE_\w+)$/

const pattern = /\bERR_[A-Z0-9_]+\b/g
const codesOf = (text: string) => new Set(text.match(pattern) ?? [])

const sources = readSources('{src/**/*.ts,bin/*.mjs}')
const codes = codesOf(keysOf(sources.find(({ path }) => path === table)?.text ?? ''))
const missing = sources.some(({ path }) => path === table) ? false : `${table} does not exist yet`

test('every error code in the code is one of the table', { skip: missing }, () => {
  const unknown = sources.flatMap(({ path, text }) =>
    [...codesOf(text)]
      .filter((code) => !codes.has(code) && !foreign.test(code))
      .map((code) => `${path}: ${code}`),
  )
  assertNone(unknown)
})

test('every error code of the table is raised somewhere', { skip: missing }, () => {
  const raised = codesOf(
    sources
      .filter(({ path }) => path !== table)
      .map(({ text }) => text)
      .join('\n'),
  )
  assertNone([...codes].filter((code) => !raised.has(code)))
})

const undocumented = existsSync(join(root, page)) ? missing : `${page} does not exist yet`

test('every error code is documented, and no other', { skip: undocumented }, () => {
  const documented = codesOf(readFileSync(join(root, page), 'utf8'))
  const absent = [...codes].filter((code) => !documented.has(code))
  const unknown = [...documented]
    .filter((code) => !codes.has(code))
    .map((code) => `${code} is not in the table`)
  assertNone([...absent, ...unknown])
})

/** The keys of the table alone: codes in the prose around it do not count. */
function keysOf(text: string): string {
  return [...text.matchAll(/^\s+(ERR_[A-Z0-9_]+): \{/gm)].map((match) => match[1]).join(' ')
}
