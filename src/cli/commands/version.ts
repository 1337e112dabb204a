import { readFileSync } from 'node:fs'
import type { Call } from '../call.ts'

export function run(call: Call): undefined {
  // The same place from src/cli/commands and from dist/cli/commands.
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  call.output.line(manifest.version)
  call.output.document({
    version: manifest.version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  })
}
