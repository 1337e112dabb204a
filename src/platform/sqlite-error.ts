/** Primary result codes of SQLite (sqlite.org/rescode.html), as far as we tell them apart. */
const sqliteCode = {
  busy: 5,
  locked: 6,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
} as const

/** Whether the error is SQLite's and has one of these codes, whatever its extension says. */
export function isSqliteError(error: unknown, ...codes: readonly (keyof typeof sqliteCode)[]): boolean {
  const { errcode } = error as { readonly errcode?: unknown }
  return typeof errcode === 'number' && codes.some((code) => sqliteCode[code] === (errcode & 0xff))
}
