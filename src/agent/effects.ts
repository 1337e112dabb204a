import { PerduraError, toError } from '../errors.ts'
import type { EffectOptions } from './definition.ts'
import { derivedId, EffectRefused, type EffectPolicy, type EffectRow } from './effect-ledger.ts'
import { decodeResult, encodeResult, ordinalKey, type Ordinal } from './steps.ts'
import type { TurnRun } from './turn-run.ts'

/** One effect of one run: who it is, and how its outcome can be found out. */
interface Effect<T> {
  readonly run: TurnRun
  readonly ordinal: Ordinal
  readonly label: string
  readonly key: string
  readonly policy: EffectPolicy
  readonly options: EffectOptions<T>
}

/**
 * Reaches outside, once. The ledger says what is known before anything is done:
 *
 *   nothing, intended   it did not happen: mark it started on disk, run it, record the outcome
 *   done, failed        it is settled: give the result, or throw the refusal again
 *   started, unknown    it may have happened (the process died in between, or the answer was lost):
 *                       verify asks; idempotent runs again under the same key; anything else waits for a person
 */
export async function performEffect<T>(run: TurnRun, name: string, options: EffectOptions<T>): Promise<T> {
  run.assertOpen()
  if (typeof options?.run !== 'function')
    throw new PerduraError('ERR_TURN_CONTENT', `effect "${name}" has no run function`)
  const occurrence = run.effectOccurrences.next(name)
  const label = ordinalKey(name, occurrence)
  const { entry, host } = run
  const known = run.ledger.get(label)
  const effect: Effect<T> = {
    run,
    ordinal: { turn: entry.position, name, occurrence },
    label,
    key: known?.key ?? derivedId(host.agent.id, entry.source, entry.id, 'effect', name, occurrence),
    policy: options.verify !== undefined ? 'verify' : options.idempotent === true ? 'idempotent' : 'unkeyed',
    options,
  }
  if (known?.status === 'done') return decodeResult<T>(known.result ?? '')
  if (known?.status === 'failed') throw new EffectRefused(known.error ?? 'refused')
  if (known?.status === 'started' || known?.status === 'unknown') {
    const found = await clarify(effect, known)
    if (found !== undefined) return found.result
  }
  return start(effect)
}

/** The result if the effect happened, undefined if it may be run; parks the turn where only a person can tell. */
async function clarify<T>(effect: Effect<T>, known: EffectRow): Promise<{ readonly result: T } | undefined> {
  if (effect.policy === 'idempotent') return undefined
  if (effect.policy === 'unkeyed') {
    await settle(effect, {
      status: 'unknown',
      error: known.error ?? 'the process ended while it was under way',
    })
    throw effect.run.park(effect.label)
  }
  return verify(effect)
}

async function start<T>(effect: Effect<T>): Promise<T> {
  const { run, ordinal, key, policy, options, label } = effect
  const { store, effects, clock } = run.host
  // A check may have outlived the turn, and another attempt may have settled the effect since.
  run.assertOpen()
  await store.write((tx) => effects.start(tx, ordinal, { key, policy }, clock.now()))
  try {
    run.assertOpen()
  } catch (over) {
    // The turn ended while the mark was being written. Nothing was run, and the ledger must know that.
    await settle(effect, { status: 'intended', error: toError(over).message })
    throw over
  }
  let result: T
  try {
    result = await run.trackEffect(
      label,
      invoke(() => options.run({ key, signal: run.signal })),
    )
  } catch (thrown) {
    return afterFailure(effect, toError(thrown))
  }
  return recordDone(effect, result)
}

async function afterFailure<T>(effect: Effect<T>, error: Error): Promise<T> {
  if (error instanceof EffectRefused) {
    await settle(effect, { status: 'failed', error: error.message })
    throw error
  }
  if (effect.policy === 'unkeyed') {
    await settle(effect, { status: 'unknown', error: error.message })
    throw effect.run.park(effect.label)
  }
  if (effect.policy === 'verify') {
    let found: { readonly result: T } | undefined
    try {
      found = await verify(effect)
    } catch {
      // It cannot be checked now either: the ledger keeps "started", and the next attempt checks first.
      throw error
    }
    if (found !== undefined) return found.result
    await settle(effect, { status: 'intended', error: error.message })
  }
  throw error
}

async function verify<T>(effect: Effect<T>): Promise<{ readonly result: T } | undefined> {
  const { run, key, options } = effect
  const found = await invoke(() => options.verify?.({ key, signal: run.signal }))
  return found === undefined ? undefined : { result: await recordDone(effect, found) }
}

async function recordDone<T>(effect: Effect<T>, result: T): Promise<T> {
  let encoded: string
  try {
    encoded = encodeResult(`the result of effect "${effect.label}"`, result)
  } catch (error) {
    // It happened; that its result cannot be kept must not make it happen again.
    await settle(effect, { status: 'done', result: '' })
    throw error
  }
  await settle(effect, { status: 'done', result: encoded })
  return decodeResult<T>(encoded)
}

async function settle<T>(
  { run, ordinal, label, key }: Effect<T>,
  outcome: Parameters<TurnRun['host']['effects']['settle']>[2],
): Promise<void> {
  const { store, effects, clock } = run.host
  await store.write((tx) => effects.settle(tx, ordinal, outcome, clock.now()))
  run.log.debug('turn:effect:settled', { step: label, key, status: outcome.status })
  if (run.abandoned) run.host.lateEffect(ordinal.turn)
}

/** A call whose synchronous throw is a rejection as well. */
async function invoke<T>(call: () => Promise<T> | T): Promise<T> {
  return call()
}
