import type { ServiceHost } from './host.ts'

/** A folder that is named after a version goes with it: `v24.1.0`, `Cellar/node/24.1.0`, `node@24`. */
const versioned = /(?:^|\/)(?:[\w.-]*@)?v?\d+(?:\.\d+)+(?:\/|$)|@\d+(?:\/|$)/

/**
 * The path of a program to write down for months: where the one that runs is in a folder of its version, a link to it
 * that is not, if one is on the search path. Otherwise the path as it is, and the next `install` mends it.
 */
export function lastingPath(file: string, host: Pick<ServiceHost, 'resolve' | 'environment'>): string {
  if (!versioned.test(file)) return file
  const name = file.slice(file.lastIndexOf('/') + 1)
  const folders = (host.environment['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/'))
  const links = folders.map((folder) => `${folder.replace(/\/+$/, '')}/${name}`)
  const own = host.resolve(file)
  return links.find((link) => !versioned.test(link) && host.resolve(link) === own) ?? file
}

/** Whether the file is in a cache of npx, which npm empties as it likes. */
export function isPassing(file: string): boolean {
  return /\/_npx\//.test(file)
}
