import fs from 'node:fs'
import path from 'node:path'

const folder = path.join(import.meta.dirname, '..', '..', '..', 'deploy')

/** What the image and the compose file of `deploy` say about a container that runs. */
export interface Recipe {
  /** Of Debian, by the image that it starts from. */
  readonly suite: string
  readonly environment: Readonly<Record<string, string>>
  readonly user: string
  readonly workingFolder: string
  readonly volume: string
  /** Entry point and command. */
  readonly command: readonly string[]
  readonly healthCheck: readonly string[]
  readonly healthTimeoutSeconds: number
  readonly stopSeconds: number
}

/** Throws where the files say anything in another way than is read here: then this has to be changed with them. */
export function readRecipe(): Recipe {
  const dockerfile = fs.readFileSync(path.join(folder, 'Dockerfile'), 'utf8')
  const lines = dockerfile
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')))
  const one = (pattern: RegExp): string => {
    const found = last.map((line) => pattern.exec(line)?.[1]).find((value) => value !== undefined)
    if (found === undefined) throw new Error(`the Dockerfile has nothing like ${String(pattern)}`)
    return found
  }
  const compose = fs.readFileSync(path.join(folder, 'compose.yaml'), 'utf8')
  for (const needed of [
    /^ {4}read_only: true$/m,
    /^ {4}tmpfs:\n {6}- \/tmp$/m,
    /^ {4}cap_drop:\n {6}- ALL$/m,
    /^ {6}- no-new-privileges:true$/m,
  ])
    if (!needed.test(compose)) throw new Error(`compose.yaml has nothing like ${String(needed)}`)
  const words = (text: string): string[] => JSON.parse(text) as string[]
  return {
    suite: one(/^FROM node:[\d.]+-(\w+)-slim$/),
    environment: environmentOf(one(/^ENV (.*)$/)),
    user: one(/^USER (\w+)$/),
    workingFolder: one(/^WORKDIR (\S+)$/),
    volume: one(/^VOLUME (\S+)$/),
    command: [...words(one(/^ENTRYPOINT (\[.*\])$/)), ...words(one(/^CMD (\[.*\])$/))],
    healthCheck: words(one(/^HEALTHCHECK .*CMD (\[.*\])$/)),
    healthTimeoutSeconds: Number(one(/^HEALTHCHECK .*--timeout=(\d+)s/)),
    stopSeconds: Number(/^ {4}stop_grace_period: (\d+)s$/m.exec(compose)?.[1] ?? NaN),
  }
}

/** As the base image has it, with what this one adds. */
function environmentOf(line: string): Record<string, string> {
  const base: Record<string, string> = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  }
  for (const [, name = '', value = ''] of line.matchAll(/(\w+)=(\S+)/g))
    base[name] = value.replaceAll(/\$(\w+)/g, (_, known: string) => base[known] ?? '')
  return base
}
