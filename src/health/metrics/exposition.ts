import type { Histogram } from './histogram.ts'

/** What Prometheus is to take the answer for. */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8'

type Labels = Readonly<Record<string, string>>
type Labelled = readonly (readonly [Labels, number])[]

/**
 * Metrics in the text format of Prometheus, version 0.0.4: each family once, with its help and its type. What is undefined
 * is left out, since no value is not zero. Label values come from small fixed sets, never from what comes in: each
 * combination is a series of its own, for ever.
 */
export class Exposition {
  #text = ''

  gauge(name: string, help: string, value: number | undefined): this {
    return this.#single(name, help, 'gauge', value)
  }

  /** Its name ends with `_total`. */
  counter(name: string, help: string, value: number | undefined): this {
    return this.#single(name, help, 'counter', value)
  }

  /** A family with labels. */
  gauges(name: string, help: string, values: Labelled): this {
    return this.#several(name, help, 'gauge', values)
  }

  /** A family of counters with labels. Its name ends with `_total`. */
  counters(name: string, help: string, values: Labelled): this {
    return this.#several(name, help, 'counter', values)
  }

  histogram(name: string, help: string, histogram: Histogram): this {
    this.#head(name, help, 'histogram')
    let count = 0
    for (const [index, bound] of histogram.bounds.entries()) {
      count += histogram.counts[index] ?? 0
      this.#sample(`${name}_bucket`, { le: String(bound) }, count)
    }
    this.#sample(`${name}_bucket`, { le: '+Inf' }, histogram.count)
    this.#sample(`${name}_sum`, {}, histogram.sum)
    this.#sample(`${name}_count`, {}, histogram.count)
    return this
  }

  toString(): string {
    return this.#text
  }

  #single(name: string, help: string, type: 'gauge' | 'counter', value: number | undefined): this {
    if (value === undefined) return this
    this.#head(name, help, type)
    this.#sample(name, {}, value)
    return this
  }

  #several(name: string, help: string, type: 'gauge' | 'counter', values: Labelled): this {
    if (values.length === 0) return this
    this.#head(name, help, type)
    for (const [labels, value] of values) this.#sample(name, labels, value)
    return this
  }

  #head(name: string, help: string, type: string): void {
    this.#text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`
  }

  #sample(name: string, labels: Labels, value: number): void {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escape(text)}"`)
    this.#text += `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${format(value)}\n`
  }
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function format(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf'
}
