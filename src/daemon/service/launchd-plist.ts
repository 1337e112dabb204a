import { createHash } from 'node:crypto'
import { fileVariable, formatMark, serviceVariable } from './mark.ts'
import { installedOf, parseInstalled, searchPath, type Installed, type ServiceSpec } from './spec.ts'

type Value = string | number | boolean | readonly string[] | { readonly [key: string]: Value }

/** What launchd calls the job. */
export function launchdLabel(name: string): string {
  return `local.${name}`
}

/**
 * The sessions of a person in which a job runs: `Aqua` at the screen, from the login to the logout, `Background` without one,
 * from the first login of any kind on. A job of both would be started twice.
 */
export type LaunchdSession = 'Aqua' | 'Background'

/** The property list of a job; see launchd.plist(5). docs/design/service.md says why each key is as it is. */
export function launchdPlist(spec: ServiceSpec, session: LaunchdSession): string {
  // launchd does not tell by which file it goes, but it tells the environment.
  const digest = createHash('sha256')
    .update(plistOf(spec, session, ''))
    .digest('hex')
    .slice(0, 16)
  return plistOf(spec, session, digest)
}

function plistOf(spec: ServiceSpec, session: LaunchdSession, digest: string): string {
  const { scope, home, account } = spec
  const output = `${home}/daemon/daemon.out`
  const job: { readonly [key: string]: Value } = {
    Label: launchdLabel(spec.name),
    ProgramArguments: [spec.node, spec.program, 'daemon', 'run', '--home', home],
    WorkingDirectory: home,
    EnvironmentVariables: {
      PATH: searchPath(spec),
      [serviceVariable]: formatMark({ manager: 'launchd', scope, name: spec.name }),
      [fileVariable]: digest,
    },
    ...(scope === 'system' ? { UserName: account.name } : { LimitLoadToSessionType: session }),
    RunAtLoad: true,
    // launchd knows no exit code that is not to be tried again: what needs a person is tried every 10 s, which is harmless.
    KeepAlive: true,
    ThrottleInterval: 10,
    ExitTimeOut: spec.stopSeconds,
    // Agents have process groups of their own anyway; they outlive their daemon, and the next one takes them over.
    AbandonProcessGroup: true,
    // What is not interactive has its timers put off and its disk slowed down.
    ProcessType: 'Interactive',
    Umask: 0o077,
    SoftResourceLimits: { NumberOfFiles: 65_536, Core: 0 },
    HardResourceLimits: { NumberOfFiles: 65_536, Core: 0 },
    StandardOutPath: output,
    StandardErrorPath: output,
  }
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<!-- Written by "perdura service install", which replaces it when it is run again. -->',
    // A comment must not have two dashes in it.
    `<!-- Installed=${JSON.stringify({ ...installedOf(spec), ...(scope === 'user' && { session }) }).replaceAll('--', String.raw`-\u002d`)} -->`,
    '<plist version="1.0">',
    xml(job, ''),
    '</plist>',
    '',
  ].join('\n')
}

/** What a job of ours was made from; null for one of somebody else. */
export function readPlist(text: string): Installed | null {
  const line = /^<!-- Installed=(.*) -->$/m.exec(text)?.[1]
  return line === undefined ? null : parseInstalled(line.replaceAll(String.raw`\u002d`, '-'))
}

/** Which file it is, as the environment of its job has it; undefined for one of somebody else. */
export function digestOf(text: string): string | undefined {
  return new RegExp(`<key>${fileVariable}</key>\\s*<string>(\\w+)</string>`).exec(text)?.[1]
}

function xml(value: Value, indent: string): string {
  const inner = `${indent}  `
  if (typeof value === 'string') return `${indent}<string>${escape(value)}</string>`
  if (typeof value === 'number') return `${indent}<integer>${value}</integer>`
  if (typeof value === 'boolean') return `${indent}<${String(value)}/>`
  if (isList(value))
    return [`${indent}<array>`, ...value.map((item) => xml(item, inner)), `${indent}</array>`].join('\n')
  const entries = Object.entries(value).map(
    ([key, item]) => `${inner}<key>${escape(key)}</key>\n${xml(item, inner)}`,
  )
  return [`${indent}<dict>`, ...entries, `${indent}</dict>`].join('\n')
}

function isList(value: Value): value is readonly string[] {
  return Array.isArray(value)
}

const entities: readonly (readonly [string, string])[] = [
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
]

function escape(text: string): string {
  return entities.reduce((escaped, [character, entity]) => escaped.replaceAll(character, entity), text)
}
