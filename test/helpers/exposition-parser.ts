import assert from 'node:assert/strict'

export interface Family {
  readonly type: string
  readonly help: string
  readonly samples: {
    readonly name: string
    readonly labels: Record<string, string>
    readonly value: number
  }[]
}

const nameOf = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const types = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped'])

/**
 * Reads the text format of Prometheus 0.0.4, and fails at everything that the format forbids or that `promtool check
 * metrics` complains of. Knows nothing of the code that wrote it.
 */
export function parseExposition(text: string): Map<string, Family> {
  assert.ok(text.endsWith('\n'), 'the last line has no end')
  const families = new Map<string, Family>()
  const series = new Set<string>()
  let current: { name: string; family: Family } | undefined
  let help: { name: string; text: string } | undefined
  for (const line of text.slice(0, -1).split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+)(?: (.*))?$/.exec(line) ?? []
    if (kind === 'HELP') {
      assert.match(name, nameOf)
      assert.ok(!families.has(name), `${name} comes twice`)
      assert.ok(rest.length > 0, `${name} has an empty help`)
      help = { name, text: unescape(rest, false) }
    } else if (kind === 'TYPE') {
      assert.equal(help?.name, name, `the help of ${name} does not stand before its type`)
      assert.ok(types.has(rest), `${name} has type ${rest}`)
      assert.equal(rest === 'counter', name.endsWith('_total'), `${name} is a ${rest}`)
      const family: Family = { type: rest, help: help?.text ?? '', samples: [] }
      families.set(name, family)
      current = { name, family }
    } else {
      assert.ok(
        !line.startsWith('#') && line.trim() !== '',
        `a line that says nothing: ${JSON.stringify(line)}`,
      )
      const sample = parseSample(line)
      const owner = sample.name.replace(
        current?.family.type === 'histogram' ? /_(bucket|sum|count)$/ : /$^/,
        '',
      )
      assert.equal(owner, current?.name, `${sample.name} stands below ${current?.name}`)
      const key = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).toSorted(([a], [b]) => (a < b ? -1 : 1)))}`
      assert.ok(!series.has(key), `${key} comes twice`)
      series.add(key)
      current?.family.samples.push(sample)
    }
  }
  for (const [name, family] of families) checkFamily(name, family)
  return families
}

/** The value of a family that has one sample. */
export function valueOf(families: Map<string, Family>, name: string): number | undefined {
  const samples = families.get(name)?.samples
  assert.ok(samples === undefined || samples.length === 1, `${name} has several`)
  return samples?.[0]?.value
}

function checkFamily(name: string, { type, samples }: Family): void {
  assert.ok(samples.length > 0, `${name} has no sample`)
  if (type === 'counter') assert.ok(samples.every(({ value }) => value >= 0))
  if (type !== 'histogram') return
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`)
  const bounds = buckets.map(({ labels }) => parseValue(labels['le'] ?? ''))
  assert.deepEqual(
    bounds,
    bounds.toSorted((a, b) => a - b),
    `${name}: bounds rise`,
  )
  assert.equal(bounds.at(-1), Infinity, `${name}: the last bound is +Inf`)
  const counts = buckets.map(({ value }) => value)
  assert.deepEqual(
    counts,
    counts.toSorted((a, b) => a - b),
    `${name}: buckets are cumulative`,
  )
  const one = (suffix: string): number | undefined =>
    samples.find((sample) => sample.name === name + suffix)?.value
  assert.equal(one('_count'), counts.at(-1), `${name}: the count is that of +Inf`)
  assert.notEqual(one('_sum'), undefined, `${name} has no sum`)
}

function parseSample(line: string): Family['samples'][number] {
  const [, name = '', , body = '', value = ''] = /^([^\s{]+)(\{(.*)\})? (\S+)$/.exec(line) ?? []
  assert.match(name, nameOf, line)
  const labels: Record<string, string> = {}
  const pair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y
  while (pair.lastIndex < body.length) {
    const [, key = '', text = ''] = pair.exec(body) ?? assert.fail(`labels: ${line}`)
    assert.ok(!(key in labels), `${key} comes twice: ${line}`)
    labels[key] = unescape(text, true)
  }
  return { name, labels, value: parseValue(value) }
}

function parseValue(text: string): number {
  if (text === '+Inf') return Infinity
  if (text === '-Inf') return -Infinity
  if (text === 'NaN') return NaN
  assert.match(text, /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i, `no number: ${text}`)
  return Number(text)
}

function unescape(text: string, quotes: boolean): string {
  return text.replace(/\\(.)/g, (_, char: string) => {
    assert.ok(char === '\\' || char === 'n' || (quotes && char === '"'), `\\${char} means nothing`)
    return char === 'n' ? '\n' : char
  })
}
