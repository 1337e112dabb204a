/** Which of the messages that wait to be sent goes first; the rank of each is its place here. */
export const priorities = ['high', 'normal', 'low'] as const
export type Priority = (typeof priorities)[number]

export function isPriority(value: unknown): value is Priority {
  return priorities.includes(value as Priority)
}

export function rankOf(priority: Priority): number {
  return priorities.indexOf(priority)
}

export function priorityOf(rank: number): Priority {
  return priorities[rank] ?? 'normal'
}
