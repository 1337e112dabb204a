import path from 'node:path'
import { PerduraError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { Disk } from '../platform/disk.ts'
import type { KeyChest } from '../platform/key-chest.ts'
import type { Random } from '../platform/random.ts'
import { parse } from '../protocol/parse.ts'
import { keyOf, seedBytes } from './agent-key.ts'
import { contentSchema, type Content } from './credential-content.ts'
import { seal } from './sealed-file.ts'

/**
 * The keys of an agent, and what is known of its hubs. Without logins, since the key logs in anew, and without claims, which
 * prove that a process is of this very folder.
 */
export function portableOf({ aliases, hubs, old_seeds: older, seed }: Content): JsonObject {
  const oldest = keyOf(older.at(-1) ?? seed).publicKey
  const known = Object.entries(hubs).map(([place, { generation, hub_id: hubId, key, login }]) => {
    // That it is known by the oldest key was told by there being a login.
    const knownKey = key ?? (login === undefined ? undefined : oldest)
    return [
      place,
      {
        generation,
        ...(hubId !== undefined && { hub_id: hubId }),
        ...(knownKey !== undefined && { key: knownKey }),
      },
    ]
  })
  return { seed, old_seeds: older, aliases, hubs: Object.fromEntries(known) as JsonObject }
}

export interface PlantOptions {
  readonly disk: Disk
  readonly random: Random
  /** Of the home that the agent comes to. */
  readonly chest: KeyChest
  readonly path: string
}

/**
 * Makes the credentials of an agent that comes from elsewhere, from what `portableOf` gave there. At each of its hubs it will
 * take the session over: its first process raises the generation, so that whatever was left behind is fenced. `addresses`
 * are further ones of hubs that it knows, with their places. ERR_EXPORT_INVALID where this is nothing of that kind.
 */
export function plantCredentials(
  { disk, random, chest, path: file }: PlantOptions,
  portable: unknown,
  addresses: Readonly<Record<string, string>> = {},
): void {
  const parsed = parse(contentSchema, portable)
  const isSeed = (seed: string): boolean => Buffer.from(seed, 'base64url').length === seedBytes
  if (!parsed.ok || ![parsed.value.seed, ...parsed.value.old_seeds].every(isSeed)) {
    throw new PerduraError(
      'ERR_EXPORT_INVALID',
      'the export holds no credentials of an agent; nothing was changed',
    )
  }
  const { aliases, hubs, old_seeds: older, seed } = parsed.value
  const entries = Object.entries(hubs).map(([place, { generation, hub_id: hubId, key }]) => [
    place,
    { generation, hub_id: hubId, key, claim: random.uuid(), starts: 0, heard: [], takeover: true },
  ])
  const content: Content = {
    seed,
    old_seeds: older,
    aliases: { ...aliases, ...addresses },
    hubs: Object.fromEntries(entries) as Content['hubs'],
  }
  disk.makeFolder(path.dirname(file))
  disk.replaceFile(file, seal(content, chest.open(), random))
}
