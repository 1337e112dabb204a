/*
 * How values are written in a unit file; see systemd.syntax(7) and systemd.service(5), "Command lines". A percent sign begins a
 * specifier everywhere, a dollar sign a variable in command lines alone, and there not in the name of the program.
 */

/** A value that takes the rest of its line as it is: `WorkingDirectory=`, `Description=`. */
export function plain(text: string): string {
  return text.replaceAll('%', '%%')
}

/** One word of a list of words: `ReadWritePaths=`, `Environment=`. */
export function word(text: string): string {
  return quoted(plain(text))
}

/** The program of a command line. Its name is cut at blanks only outside of quotes. */
export function program(path: string): string {
  return word(path)
}

/** An argument of a command line. */
export function argument(text: string): string {
  return word(text.replaceAll('$', '$$$$'))
}

/** A path that is looked up as a pattern: `EnvironmentFile=`. */
export function pattern(path: string): string {
  return plain(path.replaceAll(/[\\*?[\]{}]/g, String.raw`\$&`))
}

/** Quotes only where they are needed, so that the usual file is one that people would write. */
function quoted(text: string): string {
  if (/^[\w@%+=:,./$-]+$/.test(text)) return text
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}
