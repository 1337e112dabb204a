import * as v from 'valibot'
import { PerduraError } from '../errors.ts'

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const hex = (bytes: number): v.GenericSchema<string> =>
  v.pipe(v.string(), v.regex(/^[0-9a-f]*$/), v.length(2 * bytes))

/** Why a backup was taken. */
const backupReasons = ['asked', 'restore'] as const
export type BackupReason = (typeof backupReasons)[number]

const hubSchema = v.object({
  hub: v.string(),
  generation: count,
  /** Where it stood in what the hub sends, and in the numbering of what it sends. */
  stream: v.nullable(v.object({ epoch: v.string(), offset: count })),
  producer: v.nullable(v.object({ epoch: v.string(), acknowledged: v.nullable(count) })),
})

const manifestSchema = v.object({
  format: v.literal(1),
  agent: v.string(),
  agent_id: v.string(),
  /** Wall-clock ms. */
  created_at: count,
  reason: v.picklist(backupReasons),
  /** Versions of Perdura and Node that wrote it. */
  perdura: v.string(),
  node: v.string(),
  /** Of the database, and of the agent's own state. */
  schema_version: count,
  state_version: count,
  /** Where the copy stands in the journal. */
  chain: count,
  chain_id: hex(16),
  sequence: count,
  hash: hex(32),
  hubs: v.pipe(v.array(hubSchema), v.readonly()),
  /** Of the copy, as it is when it is taken out. */
  size_bytes: count,
  sha256: hex(32),
  encryption: v.optional(v.object({ cipher: v.literal('aes-256-gcm'), salt: hex(32), key_check: hex(8) })),
})

/** What a backup says of itself. It holds no token and no key. */
export type BackupManifest = v.InferOutput<typeof manifestSchema>

/** ERR_BACKUP_INVALID where it is none, ERR_BACKUP_NEWER where a newer Perdura wrote it. */
export function parseManifest(text: string, source: string): BackupManifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  const format = v.safeParse(v.object({ format: count }), value)
  if (format.success && format.output.format > 1) {
    throw new PerduraError(
      'ERR_BACKUP_NEWER',
      `${source} has format ${format.output.format}, this Perdura knows 1: a newer Perdura wrote it, so install that version or a later one`,
      { details: { file: source } },
    )
  }
  const parsed = v.safeParse(manifestSchema, value)
  if (parsed.success) return parsed.output
  throw new PerduraError(
    'ERR_BACKUP_INVALID',
    `${source} is not a whole backup: its manifest says nothing that can be understood (${v.getDotPath(parsed.issues[0]) ?? 'JSON'})`,
    { details: { file: source } },
  )
}
