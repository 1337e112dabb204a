/** Whether it can name who sends or receives: 1 to 128 printable ASCII characters without spaces. */
export function isParty(name: unknown): name is string {
  return typeof name === 'string' && /^[\x21-\x7e]{1,128}$/.test(name)
}

/**
 * Whether it can name a conversation or a message: 1 to 256 characters. Half a surrogate pair would be stored as another
 * character, and two names might become one.
 */
export function isLabel(name: unknown): name is string {
  return typeof name === 'string' && name.length > 0 && name.length <= 256 && name.isWellFormed()
}
