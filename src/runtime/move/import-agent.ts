import { join } from 'node:path'
import * as v from 'valibot'
import { PerduraError } from '../../errors.ts'
import type { Disk } from '../../platform/disk.ts'
import { isLoopback } from '../../platform/loopback.ts'
import type { Random } from '../../platform/random.ts'
import { parse, parseJson } from '../../protocol/parse.ts'
import type { DatabaseFiles } from '../../store/database.ts'
import { adoptCopy, checkCopy } from '../../store/portable.ts'
import { readArchive, type Manifest } from './archive.ts'
import type { ExportAbout } from './export-agent.ts'

export interface ImportOptions {
  readonly source: string
  readonly passphrase: string | undefined
  /** Addresses of its hub as this host reaches it, in their one spelling; none where they are those that it had. */
  readonly hubs: readonly string[]
  readonly disk: Disk
  readonly random: Random
  /** Where the agent is to be; called once the whole file has been verified. */
  readonly target: (about: ExportAbout) => ImportTarget
}

export interface ImportTarget {
  /** Exists, is empty, and is not where agents are looked for yet. */
  readonly folder: string
  readonly files: DatabaseFiles
  /** Writes the credentials of the agent into the folder: see `plantCredentialFile`. */
  readonly plant: (portable: unknown, addresses: Readonly<Record<string, string>>) => void
  /** Puts the folder in its place, with all that is in it: the one step by which the agent comes to be here. */
  readonly commit: () => void
}

/** Both are shown to a person, the address as a part of a command to copy: nothing in them may speak to terminal or shell. */
const address = v.pipe(v.string(), v.regex(/^https?:\/\/[\w.:[\]-]{1,300}$/))
const shown = v.pipe(v.string(), v.regex(/^[^\p{Cc}]{1,4096}$/u))

const about = v.object({
  export_id: v.string(),
  agent: v.string(),
  agent_id: v.string(),
  exported_at: v.string(),
  schema_version: v.number(),
  hub: v.nullable(address),
  hub_place: v.nullable(v.string()),
  session_identifier: v.nullable(v.string()),
  generation: v.number(),
  launch: v.nullable(
    v.variant('kind', [
      v.object({ kind: v.literal('reflex') }),
      v.object({ kind: v.literal('file'), path: shown }),
    ]),
  ),
  open_turns: v.number(),
  pending_messages: v.number(),
})

/**
 * Makes an agent of an export. Everything is verified before the first byte is written, and written to a folder of its own,
 * which takes its place in one step: a crash leaves nothing of it, or all.
 *
 * At its hubs the agent takes its session over with its first start, which raises the generation. From then on the copy
 * that was left behind, and any other one, comes with a lower generation, and is refused by every hub for ever.
 */
export function importAgent(options: ImportOptions): ExportAbout {
  const { source, passphrase, disk, random } = options
  const manifest = readArchive(disk, source, passphrase)
  const facts = aboutOf(manifest, source)
  const addresses = addressesOf(facts, options.hubs)
  const { folder, files, plant, commit } = options.target(facts)
  const copy = join(folder, 'import.tmp')
  const sizeBytes = manifest.files.find(({ name }) => name === 'state.db')?.sizeBytes
  if (sizeBytes === undefined) throw lacking(source)
  disk.prepareZerosNow(copy, sizeBytes)
  const credentials: Buffer[] = []
  const database = disk.open(copy)
  let at = 0
  try {
    // Read again from the beginning, and verified again: what is used is what was verified.
    readArchive(disk, source, passphrase, {
      piece(name, bytes) {
        if (name === 'credentials.json') credentials.push(Buffer.from(bytes))
        if (name !== 'state.db') return
        database.write(at, bytes)
        at += bytes.length
      },
    })
    database.sync()
  } finally {
    database.close()
  }
  if (credentials.length === 0) throw lacking(source)
  checkCopy(files, copy)
  adoptCopy(files, random, copy)
  disk.remove(copy)
  const portable = parseJson(v.unknown(), Buffer.concat(credentials).toString('utf8'))
  plant(portable.ok ? portable.value : undefined, addresses)
  disk.syncFolder(folder)
  commit()
  return facts
}

function lacking(source: string): PerduraError {
  return new PerduraError('ERR_EXPORT_INVALID', `${source} lacks a part of the agent; nothing was changed`)
}

function aboutOf({ about: fields }: Manifest, source: string): ExportAbout {
  const parsed = parse(about, fields)
  if (parsed.ok) return parsed.value
  throw new PerduraError('ERR_EXPORT_INVALID', `${source} does not say what it holds; nothing was changed`)
}

/**
 * Its hub may have another address from here. The hub proves who it is before anything is signed for it, so a wrong address
 * costs nothing but a refusal.
 */
function addressesOf(
  { agent, hub, hub_place: place }: ExportAbout,
  asked: readonly string[],
): Readonly<Record<string, string>> {
  if (hub === null || place === null) return {}
  const others = asked.filter((address) => address !== place)
  if (asked.length > 0) return Object.fromEntries(others.map((address) => [address, place]))
  if (!isLoopback(URL.parse(hub)?.hostname ?? '')) return {}
  throw new PerduraError(
    'ERR_USAGE',
    `the hub of ${agent} was at ${hub}, which is another machine's own address: say where this machine reaches that hub, ` +
      'with --hub (the same address, where this is the same machine); nothing was changed',
  )
}
