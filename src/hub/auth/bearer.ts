/** The token of an `Authorization: Bearer …` header (RFC 6750 2.1); undefined where there is none of that kind. */
export function bearerOf(headers: Readonly<Record<string, string>>): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(headers['authorization'] ?? '')?.[1]
}
