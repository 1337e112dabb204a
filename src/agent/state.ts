import { isDeepStrictEqual } from 'node:util'
import { freeze, isDraft, produce } from 'immer'
import { PerduraError } from '../errors.ts'
import { readCount, setCount } from '../store/counters.ts'
import type { Reader, Tx } from '../store/store.ts'
import type { AgentDefinition } from './definition.ts'
import { toDocument, type StateDocument } from './state-document.ts'
import { migrateState } from './state-migration.ts'

/** A pure function of the newest state: changes the draft, or returns a new state. */
export type StateChange = (state: object) => object | void

/** What a turn looked at: keys of the state, or all of it. */
export interface StateReads {
  readonly keys: Set<string>
  all: boolean
}

/**
 * The agent's state: one immutable document in memory, a row per top-level key on disk. A turn sees the document that
 * was committed when it began; its changes are applied to the newest one when it ends.
 */
export class AgentState {
  readonly #definition: AgentDefinition
  #committed: StateDocument
  /** As the batch that is being written leaves it; equal to `#committed` outside a batch. */
  #working: StateDocument

  private constructor(definition: AgentDefinition, document: StateDocument) {
    this.#definition = definition
    this.#committed = document
    this.#working = document
  }

  /**
   * Reads what is stored, takes it to the definition's version and validates it, or begins with the definition's first
   * state. Nothing is written before `store`.
   */
  static load(reader: Reader, definition: AgentDefinition): AgentState {
    const stored = readCount(reader, 'state.version')
    const { version, validate, initial } = definition.state
    if (stored > version) {
      throw new PerduraError(
        'ERR_STATE_NEWER',
        `the state of ${definition.name} has version ${stored}, this definition is for version ${version}: ` +
          'run the newer definition, or another agent name',
        { details: { found: stored, known: version } },
      )
    }
    if (stored === 0) return new AgentState(definition, toDocument(validate(initial)))
    const rows = reader.all<{ key: string; value: string }>('SELECT key, value FROM state')
    const document = Object.fromEntries(rows.map(({ key, value }) => [key, JSON.parse(value) as unknown]))
    return new AgentState(definition, migrateState(document, stored, definition))
  }

  get committed(): StateDocument {
    return this.#committed
  }

  /** Writes the document, as the definition's schema made it of what is stored, and the version of that schema. */
  store(tx: Tx): void {
    setCount(tx, 'state.version', this.#definition.state.version)
    for (const { key } of tx.all<{ key: string }>('SELECT key FROM state')) {
      if (!Object.hasOwn(this.#committed, key)) tx.run('DELETE FROM state WHERE key = ?', key)
    }
    for (const [key, value] of Object.entries(this.#committed)) writeKey(tx, key, value)
  }

  /** Whether what a turn read is not as it was when it read it. */
  hasChangedSince(snapshot: StateDocument, reads: StateReads): boolean {
    if (snapshot === this.#working) return false
    if (reads.all) return true
    return [...reads.keys].some((key) => snapshot[key] !== this.#working[key])
  }

  /** Applies changes in the transaction; undone with it. */
  apply(tx: Tx, changes: readonly StateChange[]): void {
    if (changes.length === 0) return
    const before = this.#working
    let next = before
    for (const change of changes) next = applyChange(next, change)
    if (next === before) return
    const validated = toDocument(this.#definition.state.validate(next))
    const merged: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(validated)) {
      // Keys that did not change keep their identity: that is how others see that they did not.
      merged[key] = Object.hasOwn(before, key) && isDeepStrictEqual(before[key], value) ? before[key] : value
      if (merged[key] !== before[key]) writeKey(tx, key, merged[key])
    }
    for (const key of Object.keys(before))
      if (!Object.hasOwn(merged, key)) tx.run('DELETE FROM state WHERE key = ?', key)
    const after = freeze(merged)
    this.#working = after
    tx.onUndo(() => (this.#working = before))
    tx.onCommit(() => (this.#committed = after))
  }
}

/** The document as a turn sees it; what it looks at is noted in `reads`. */
export function trackReads(document: StateDocument, reads: StateReads): StateDocument {
  return new Proxy(document, {
    get(target, key) {
      if (typeof key === 'string') reads.keys.add(key)
      return Reflect.get(target, key) as unknown
    },
    has(target, key) {
      if (typeof key === 'string') reads.keys.add(key)
      return Reflect.has(target, key)
    },
    ownKeys(target) {
      reads.all = true
      return Reflect.ownKeys(target)
    },
    getOwnPropertyDescriptor(target, key) {
      if (typeof key === 'string') reads.keys.add(key)
      return Reflect.getOwnPropertyDescriptor(target, key)
    },
  })
}

function applyChange(document: StateDocument, change: StateChange): StateDocument {
  const next: unknown = produce(document, (draft) => {
    const result: unknown = change(draft)
    if (result instanceof Promise) {
      result.catch(() => undefined)
      throw new PerduraError(
        'ERR_TURN_CONTENT',
        'ctx.update takes a synchronous function: await before it, not in it',
      )
    }
    return result === undefined || isDraft(result) ? undefined : (result as StateDocument)
  })
  return next as StateDocument
}

function writeKey(tx: Tx, key: string, value: unknown): void {
  tx.run(
    'INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    key,
    JSON.stringify(value),
  )
}
