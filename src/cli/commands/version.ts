import type { Call } from '../call.ts'
import { ownVersion } from '../version.ts'

export function run(call: Call): undefined {
  const version = ownVersion()
  call.output.line(version)
  call.output.document({
    version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  })
}
