import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { assertNone, root } from './sources.ts'

interface Entry {
  readonly version?: string
  readonly resolved?: string
  readonly link?: boolean
  readonly hasInstallScript?: boolean
  readonly dependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
}

/** Packages whose install script is known and needed; npm's `allowScripts` names the same. */
const scripted: readonly string[] = []

const lockfile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, Entry>
}
const entries = Object.entries(lockfile.packages)

// `npm install` in a folder that has node_modules drops the packages of other platforms from the lockfile, and
// `npm ci` then fails everywhere. Mend it with `rm -r node_modules package-lock.json && npm install`.
test('the lockfile has the packages of every platform', () => {
  const absent = entries.flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {})
      .filter(
        (name) =>
          !entries.some(
            ([other]) => other === `node_modules/${name}` || other === `${path}/node_modules/${name}`,
          ),
      )
      .map((name) => `${path} → ${name}`),
  )
  assertNone(absent)
})

test('the lockfile names no registry', () => {
  const named = entries
    .filter(([, { link, resolved }]) => resolved !== undefined && link !== true)
    .map(([path]) => path)
  assertNone(named)
})

test('every dependency is exact', () => {
  const loose = ['', 'tools/node24'].flatMap((path) => {
    const { dependencies, devDependencies, optionalDependencies } = lockfile.packages[path] ?? {}
    return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
      .filter(([, range]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(range))
      .map(([name, range]) => `${name} ${range}`)
  })
  assertNone(loose)
})

test('no package runs a script when it is installed', () => {
  const running = entries
    .filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([path]) => path)
  assertNone(running.filter((path) => !scripted.some((name) => path.endsWith(`node_modules/${name}`))))
})
