/** The candidate that was probably meant, if one is near enough to say so. */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  const given = word.toLowerCase()
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(given, candidate.toLowerCase()) }))
    // Of words that are equally near, the one that begins alike: the first letter is rarely the mistyped one.
    .toSorted(
      (a, b) => a.distance - b.distance || startsAlike(b.candidate, given) - startsAlike(a.candidate, given),
    )
  const [best] = ranked
  const near = Math.max(1, Math.floor(given.length / 3))
  if (best !== undefined && best.distance <= near) return best.candidate
  const completed =
    given.length >= 2 ? candidates.filter((candidate) => candidate.toLowerCase().startsWith(given)) : []
  return completed.length === 1 ? completed[0] : undefined
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment) from `a` to `b`. */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let least = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (same ? 0 : 1),
      )
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        least = Math.min(least, at(before, column - 2) + 1)
      }
      current.push(least)
    }
    before = previous
    previous = current
  }
  return at(previous, b.length)
}

function startsAlike(candidate: string, given: string): number {
  return candidate[0]?.toLowerCase() === given[0] ? 1 : 0
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Infinity
}
