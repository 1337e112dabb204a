import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The agent that the README shows, word for word. */
export function readmeAgent(): string {
  const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8')
  const [, code] = /```ts\n(.*?)```/s.exec(readme) ?? []
  assert.ok(code !== undefined, 'the README shows an agent')
  return code
}
