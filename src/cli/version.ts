import { readFileSync } from 'node:fs'

/** Of Perdura, as its package has it. */
export function ownVersion(): string {
  // The same place from src/cli and from dist/cli.
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}
