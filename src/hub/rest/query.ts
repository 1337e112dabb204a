import { PerduraError } from '../../errors.ts'

/** The query of a request; every refusal names the parameter. */
export class Query {
  readonly #parameters: URLSearchParams

  constructor(text: string) {
    this.#parameters = new URLSearchParams(text)
  }

  /** Undefined where it is not given; it may be empty. */
  text(name: string, lengthMax = 1_000): string | undefined {
    const value = this.#parameters.get(name)
    if (value === null) return undefined
    if (value.length > lengthMax) throw invalid(name, `must have at most ${lengthMax} characters`)
    if (value.includes('\0')) throw invalid(name, 'must not contain NUL')
    return value
  }

  count(
    name: string,
    { initial, max, min = 0 }: { readonly initial: number; readonly max: number; readonly min?: number },
  ): number {
    const value = this.text(name)
    if (value === undefined || value === '') return initial
    const number = /^\d{1,16}$/.test(value) ? Number(value) : NaN
    if (number >= min && number <= max) return number
    throw invalid(name, `must be a whole number from ${min} to ${max}`)
  }

  flag(name: string): boolean | undefined {
    const value = this.text(name)?.toLowerCase()
    if (value === undefined || value === '') return undefined
    if (value === 'true' || value === '1') return true
    if (value === 'false' || value === '0') return false
    throw invalid(name, 'must be true or false')
  }

  /** One of the values; undefined where it is absent, empty or `all`. */
  choice<T extends string>(name: string, values: readonly T[], initial?: T): T | undefined {
    const value = this.text(name)
    if (value === undefined) return initial
    if (value === '' || value === 'all') return undefined
    const found = values.find((candidate) => candidate === value)
    if (found !== undefined) return found
    throw invalid(name, `must be ${values.join(' or ')}, or all`)
  }

  /** A moment in milliseconds: an ISO 8601 date or time, in UTC where it names no zone. */
  moment(name: string, dateMeans: 'start' | 'end'): number | undefined {
    const value = this.text(name)
    if (value === undefined || value === '') return undefined
    const [, date, time, zone = 'Z'] =
      /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(value) ?? []
    const ms = date === undefined ? NaN : Date.parse(time === undefined ? date : `${date}T${time}${zone}`)
    if (Number.isNaN(ms)) throw invalid(name, 'must be a date such as 2026-02-06 or 2026-02-06T12:00:00Z')
    return time === undefined && dateMeans === 'end' ? ms + 86_400_000 - 1 : ms
  }

  page(): { readonly limit: number; readonly offset: number } {
    return {
      limit: this.count('limit', { initial: 50, min: 1, max: 500 }),
      offset: this.count('offset', { initial: 0, max: 1_000_000_000 }),
    }
  }
}

export function invalid(field: string, problem: string): PerduraError {
  return new PerduraError('ERR_REQUEST_INVALID', `${field} ${problem}`, { details: { field } })
}

export function missing(field: string, kind = 'field'): PerduraError {
  const problem = kind === 'field' ? `Missing required field: ${field}` : `Missing ${field} ${kind}`
  return new PerduraError('ERR_REQUEST_INVALID', problem, { details: { field } })
}
