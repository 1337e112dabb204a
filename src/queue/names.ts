/**
 * Whether it can name who sends or receives, at a hub too: 1 to 128 characters of well-formed Unicode, none of them a
 * control character, without white space at its ends.
 */
export function isParty(name: unknown): name is string {
  if (typeof name !== 'string' || name.length > 128) return false
  return name.trim() === name && name.isWellFormed() && /^[^\p{Cc}]+$/u.test(name)
}

/**
 * Whether it can name a conversation or a message: 1 to 256 characters. Half a surrogate pair would be stored as another
 * character, and two names might become one.
 */
export function isLabel(name: unknown): name is string {
  return typeof name === 'string' && name.length > 0 && name.length <= 256 && name.isWellFormed()
}
