/** Deeper documents parse, but writing them again overflows the stack. */
const depthMax = 100

export interface ContentProblem {
  /** The field of the outermost object that it is in. */
  readonly field: string
  readonly problem: string
}

/** Text that every database and every program can carry: without NUL, and without half a surrogate pair. */
export function isCleanText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}

/**
 * What databases and other programs choke on: NUL, half a surrogate pair (RFC 8259 8.2 lets both pass), numbers beyond
 * what a double holds, and documents that are too deep. Without recursion, which depth would defeat.
 */
export function contentProblem(body: object): ContentProblem | undefined {
  const waiting: { readonly value: unknown; readonly field: string; readonly depth: number }[] = []
  for (const [field, value] of Object.entries(body)) {
    const problem = textProblem(field)
    if (problem !== undefined) return { field: 'the name of a field', problem }
    waiting.push({ value, field, depth: 1 })
  }
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { depth, field, value } = next
    const problem = valueProblem(value, depth)
    if (problem !== undefined) return { field, problem }
    if (typeof value !== 'object' || value === null) continue
    for (const [key, inner] of Object.entries(value)) {
      const keyProblem = textProblem(key)
      if (keyProblem !== undefined) return { field, problem: keyProblem }
      waiting.push({ value: inner, field, depth: depth + 1 })
    }
  }
  return undefined
}

function valueProblem(value: unknown, depth: number): string | undefined {
  if (typeof value === 'string') return textProblem(value)
  if (typeof value === 'number' && !Number.isFinite(value)) return 'holds a number out of range'
  const isDeep = typeof value === 'object' && value !== null && depth >= depthMax
  return isDeep ? `is nested more than ${depthMax} levels deep` : undefined
}

function textProblem(text: string): string | undefined {
  if (isCleanText(text)) return undefined
  return text.includes('\0') ? 'contains NUL' : 'contains half a surrogate pair, which is no Unicode text'
}
