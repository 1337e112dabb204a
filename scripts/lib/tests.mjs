import { relative } from 'node:path'
import { Readable } from 'node:stream'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

import { root } from './setup.mjs'

const fileTimeoutMs = 5 * 60_000
const outputLines = 100

/**
 * Runs test files with Node's own runner, a process each. Says one line per file, and of what failed everything.
 * The runner's closing summary is handed back, to be printed when it really is the end.
 *
 * @param {string[]} files
 * @param {{ signal: AbortSignal, namePattern?: string | undefined }} options
 * @returns {Promise<{ passed: boolean, summary: string }>}
 */
export async function runTests(files, { signal, namePattern }) {
  const closing = []
  const failures = []
  const failedFiles = []
  const outputs = new Map()
  const tests = new Map()
  let passed = false

  const events = run({
    files,
    // The machines that this runs on have two cores, and every second test waits for something.
    concurrency: 4,
    timeout: fileTimeoutMs,
    signal,
    ...(namePattern !== undefined && { testNamePatterns: namePattern }),
  })
  for await (const event of events) {
    const { type, data } = event
    const file = data.entryFile
    if (type === 'test:stdout' || type === 'test:stderr') {
      outputs.set(file, (outputs.get(file) ?? '') + data.message)
    } else if (type === 'test:complete' && file !== undefined) {
      if (data.details.type !== 'suite') tests.set(file, (tests.get(file) ?? 0) + 1)
    } else if (type === 'test:complete') {
      // The file as a whole: its process has ended.
      const { passed: ok, duration_ms: ms } = data.details
      const mark = ok ? '✔' : '✖'
      console.log(
        `${mark} ${show(data.name)} (${tests.get(data.name) ?? 0} tests, ${(ms / 1000).toFixed(1)} s)`,
      )
      if (!ok) failedFiles.push(data.name)
    } else if (type === 'test:fail') {
      failures.push(event)
    } else if (type === 'test:summary' && data.file === undefined) {
      passed = data.success && data.counts.tests > 0
    } else if (type === 'test:diagnostic' && data.nesting === 0 && data.file === undefined) {
      closing.push(event)
    }
  }
  for (const name of failedFiles.filter((failed) => outputs.has(failed))) {
    const lines = outputs.get(name).trimEnd().split('\n').slice(-outputLines)
    console.log(`\nwhat ${show(name)} printed:\n${lines.join('\n')}`)
  }
  if (failures.length > 0) console.log(await failingTests(failures))
  return { passed, summary: await render(closing) }
}

const show = (file) => relative(root, file)

/** The reporter tells failures twice, as they come and at the end; only the second is wanted here. */
async function failingTests(failures) {
  const text = await render(failures)
  const start = text.lastIndexOf('failing tests:')
  return start === -1 ? text : text.slice(text.lastIndexOf('\n', start))
}

async function render(events) {
  let text = ''
  for await (const chunk of Readable.from(events).compose(new spec())) text += String(chunk)
  return text
}
