/**
 * Takes secrets out of what is logged or shown. Keys are judged by their words (`refreshToken` and `refresh_token`
 * are the same), texts by the shapes that secrets have, and both by the list of secrets that the caller knows.
 * Identifiers, idempotency keys and hashes are not secrets: without them a log explains nothing.
 */
export const redacted = '[redacted]'

/** Whether what stands under this key is a secret whatever it looks like. */
export function isSecretKey(key: string): boolean {
  if (key.length > 256) return false
  const words = wordsOf(key)
  const last = words.at(-1)
  if (last === undefined || describing.has(last)) return false
  if (words.some((word) => secretWords.has(word))) return true
  if (last === 'token' || last === 'jwt') return true
  const previous = words.at(-2)
  return (last === 'key' || last === 'keys') && previous !== undefined && secretKeys.has(previous)
}

/** The text without what looks like a secret and without the known ones. */
export function redactText(text: string, knownSecrets: readonly string[] = []): string {
  let clean = text
  for (const secret of knownSecrets) {
    if (secret.length >= knownSecretMin) clean = clean.replaceAll(secret, redacted)
  }
  for (const [pattern, replacement] of patterns) clean = clean.replace(pattern, replacement)
  return clean
}

/**
 * The beginning of a text, without secrets: `lengthMax` characters at most. Cut to bound the work, then redacted, then cut
 * again by as much as a secret may be long: no half of one that stood at the first cut, and was not recognised for that,
 * is left.
 */
export function redactStart(
  text: string,
  lengthMax: number,
  knownSecrets: readonly string[] = [],
): { readonly text: string; readonly isWhole: boolean } {
  const slack = knownSecrets.reduce((longest, secret) => Math.max(longest, secret.length), slackMin)
  const window = text.slice(0, lengthMax + slack)
  const clean = redactText(window, knownSecrets)
  const isCut = window.length < text.length
  if (!isCut && clean.length <= lengthMax) return { text: clean.toWellFormed(), isWhole: true }
  const length = isCut ? Math.min(lengthMax, clean.length - slack) : lengthMax
  return { text: clean.slice(0, Math.max(0, length)).toWellFormed(), isWhole: false }
}

/** A secret that is known by its shape alone has shown it after so many characters. */
const slackMin = 256

/** A shorter one would blank out ordinary words. */
const knownSecretMin = 6

const secretWords = new Set([
  'password',
  'passwords',
  'passwd',
  'passphrase',
  'secret',
  'secrets',
  'authorization',
  'cookie',
  'cookies',
  'credential',
  'credentials',
  'apikey',
  'bearer',
])

/** `api_key`, `private_key` …; an `idempotency_key`, a `public_key` and a plain `key` are none. */
const secretKeys = new Set([
  'api',
  'private',
  'secret',
  'access',
  'signing',
  'encryption',
  'master',
  'auth',
  'session',
])

/** Last words that say something about a secret rather than hold it: `token_id`, `password_changed_at`. */
const describing = new Set([
  'at',
  'algorithm',
  'bytes',
  'count',
  'days',
  'epoch',
  'expires',
  'expiry',
  'family',
  'fingerprint',
  'generation',
  'hash',
  'id',
  'ids',
  'kind',
  'length',
  'limit',
  'max',
  'min',
  'ms',
  'name',
  'path',
  'sha256',
  'status',
  'type',
  'used',
  'version',
])

/** `refreshToken`, `refresh_token`, `X-Refresh-Token` and `REFRESH_TOKEN` have the same words. */
function wordsOf(key: string): string[] {
  return key
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
}

const secretNames = 'password|passwd|passphrase|secret|api[_-]?key|private[_-]?key|access[_-]?key'
const tokenNames = `${secretNames}|token|jwt`
/** What stands between a name and its quoted value, in JSON, in JSON inside a string, in YAML and in code. */
const assigned = '\\\\{0,3}["\']?\\s{0,4}[:=]\\s{0,4}\\\\{0,3}["\']'

/**
 * Every pattern is linear in the length of the text, and matches a secret that was cut off in its middle too. The
 * order matters: what has a frame of its own (PEM, headers, URLs) goes before what is known only by its shape.
 */
const patterns: readonly (readonly [RegExp, string])[] = [
  // Private keys in PEM (RFC 7468), also where their line breaks are escaped.
  [
    /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[^]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|$)/g,
    redacted,
  ],
  // Header lines.
  [
    /\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)(\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?)[^\r\n"'\\]+/gi,
    `$1$2${redacted}`,
  ],
  [/\b(bearer)\s{1,4}[\w.~+/=-]{8,}/gi, `$1 ${redacted}`],
  [/\b(basic)\s{1,4}[A-Za-z0-9+/]{12,}={0,2}/gi, `$1 ${redacted}`],
  // User information in URLs.
  [/(:\/\/)[^\s/"'<>@]{1,1024}(?:@[^\s/"'<>@]{1,1024})?@(?=[^\s/@])/g, `$1${redacted}@`],
  // Addresses whose path is the secret: webhooks of Slack and Discord, bots of Telegram.
  [/\b(hooks\.slack\.com\/[a-z]{1,20}\/|\/api\/webhooks\/)[\w/-]{8,}/gi, `$1${redacted}`],
  [/(\/bot)\d{3,20}:[\w-]{16,}/g, `$1${redacted}`],
  // Query parameters and assignments: `access_token=…`, `password: …`, `\"refresh_token\":\"…\"`.
  [new RegExp(`(${tokenNames}|signature|sig)(=)[^\\s&"'#;,\\\\]+`, 'gi'), `$1$2${redacted}`],
  [new RegExp(`(${secretNames})(${assigned})[^"'\\\\\\r\\n]+`, 'gi'), `$1$2${redacted}`],
  [new RegExp(`(token|jwt)(${assigned})[^"'\\\\\\r\\n]{4,}`, 'gi'), `$1$2${redacted}`],
  [new RegExp(`\\b(${secretNames})(\\s{0,4}:\\s{0,4})(?!\\[redacted)[^\\s"',;}]+`, 'gi'), `$1$2${redacted}`],
  // JSON Web Tokens (RFC 7519): the first part is base64url of `{"`.
  [/\beyJ[\w-]{8,}\.[\w-]{2,}(?:\.[\w-]*)?/g, redacted],
  // Keys that name their issuer by a prefix.
  [/\b(?:sk|rk)[-_][\w-]{16,}/g, redacted],
  [/\b(?:gh[pousr]_|github_pat_|glpat-|npm_|hf_|gsk_|xai-|whsec_|pypi-)[\w-]{16,}/g, redacted],
  [/\bxox[a-z]{1,2}-[\w-]{8,}/g, redacted],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, redacted],
  [/\bAIza[\w-]{30,}/g, redacted],
]
