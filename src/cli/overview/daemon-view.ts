import { PerduraError } from '../../errors.ts'
import { isJsonObject } from '../../json.ts'
import type { DaemonRecord } from '../../daemon/record.ts'
import type { Call } from '../call.ts'
import { askDaemon, findDaemon } from '../daemon-client.ts'
import { daemonChild, type DaemonChild } from './daemon-child.ts'

/** The daemon of a home, as far as it can be seen. */
export interface DaemonView {
  readonly record: DaemonRecord
  /** Undefined where it does not answer in time. */
  readonly children: ReadonlyMap<string, DaemonChild> | undefined
  /** Why it does not. */
  readonly trouble: string | undefined
}

const silent = 'it does not answer: agents go on, and who dies is not started again until it does'
/** A person waits; a daemon that turns answers within milliseconds. */
const answerTimeoutMs = 1_000

/** Undefined where none runs. Never waits for longer than a second. */
export async function viewDaemon(call: Call, timeoutMs = answerTimeoutMs): Promise<DaemonView | undefined> {
  const record = findDaemon(call)
  if (record === undefined) return undefined
  try {
    const { children } = await askDaemon(call, { method: 'GET', path: '/v1/children' }, timeoutMs)
    const list = Array.isArray(children) ? children.filter(isJsonObject) : []
    const byName = list.flatMap((child) => {
      const { child: name } = child
      return typeof name === 'string' ? [[name, daemonChild(child)] as const] : []
    })
    return { record, children: new Map(byName), trouble: undefined }
  } catch (error) {
    if (!(error instanceof PerduraError)) throw error
    const isSilent = error.code === 'ERR_HTTP_UNREACHABLE'
    return { record, children: undefined, trouble: isSilent ? silent : error.message }
  }
}
