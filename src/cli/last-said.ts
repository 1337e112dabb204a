import type { EndReason, EndRecord } from '../supervisor/exits.ts'

/** What a process said of its end, where it told an error; undefined where it said nothing, or something else. */
export function failureIn(
  end: EndRecord | undefined,
): { readonly code: string; readonly message: string } | undefined {
  const [, code, message] = /^(ERR_\w+): ([^]*)$/.exec(end?.said ?? '') ?? []
  return code === undefined || message === undefined ? undefined : { code, message }
}

/** What was seen of the last process that was killed for not answering. */
export function evidenceIn(
  ends: readonly EndRecord[],
): { readonly at: number; readonly reason: EndReason; readonly text: string } | undefined {
  const end = ends.findLast(({ reason }) => reason === 'hung' || reason === 'start-timeout')
  return end?.said === undefined || end.said === null
    ? undefined
    : { at: end.at, reason: end.reason, text: end.said }
}
