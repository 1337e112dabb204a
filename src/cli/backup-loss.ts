import type { Prepared } from '../backup/restore.ts'
import { formatDuration } from '../duration.ts'
import { defaultStreamLimits } from '../hub/streams.ts'
import type { AgentPaths } from '../runtime/home.ts'
import type { Call } from './call.ts'
import { readAgent } from './database.ts'

/** What is there now, as far as it can be read. */
export interface Present {
  readonly agentId: string
  /** The last change that it holds, also where only the journal has it. */
  readonly sequence: number
}

/** Undefined where there is nothing, or nothing that can be read. */
export function readPresent(call: Call, paths: AgentPaths): Present | undefined {
  try {
    return readAgent(call, paths, ({ reader, lag }) => {
      const identity = reader.get<{ agent_id: string }>('SELECT agent_id FROM identity')
      const position = reader.get<{ sequence: number }>('SELECT sequence FROM journal_position')
      if (identity === undefined || position === undefined) return undefined
      return { agentId: identity.agent_id, sequence: position.sequence + lag }
    })
  } catch {
    // Damaged, of a newer Perdura, or never there: that is what it is to be replaced for.
    return undefined
  }
}

/** So long a hub sends again what was acknowledged. */
const { rewindMs: hubKeepsMs } = defaultStreamLimits

/** What has come and gone since the backup, for the person who is about to give it up. */
export function describeLoss(call: Call, paths: AgentPaths, prepared: Prepared): string[] {
  const { manifest, inbox, outbox } = prepared
  let counts: { readonly taken: number; readonly waiting: number; readonly sent: number }
  try {
    counts = readAgent(call, paths, ({ reader }) => {
      const count = (from: string, after: number): number =>
        reader.get<{ count: number }>(`SELECT count(*) AS count FROM ${from}`, after)?.count ?? 0
      const out = "outbox WHERE sequence > ? AND recipient <> 'you' AND status ="
      return {
        taken: count("inbox WHERE kind = 'message' AND position > ?", inbox),
        waiting: count(`${out} 'pending'`, outbox),
        sent: count(`${out} 'delivered'`, outbox),
      }
    })
  } catch {
    return ['what is there now cannot be read, so nobody can say what it has done since']
  }
  const { taken, waiting, sent } = counts
  const lines: string[] = []
  const many = (number: number): string => `${number} ${number === 1 ? 'message' : 'messages'}`
  if (taken > 0) {
    const late = Date.now() - manifest.created_at > hubKeepsMs ? ', and the backup is older' : ''
    const again = `what came from its hub that sends again, as far as it has it (it keeps it for ${formatDuration(hubKeepsMs)}${late}); `
    lines.push(
      `it has taken in ${many(taken)} since: ${manifest.hubs.length > 0 ? again : ''}what came from people and programs here nobody sends again`,
    )
  }
  if (waiting > 0) lines.push(`${many(waiting)} that it has not sent yet will not be sent`)
  if (sent > 0) {
    lines.push(
      `it has sent ${many(sent)} since: where a turn is done again and says something else, that is refused under the same id`,
    )
  }
  return lines
}
