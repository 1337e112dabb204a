import type { SupervisionSettings } from '../settings/settings.ts'
import type { ChildWord } from '../supervisor/child-state.ts'
import { defaultPolicy, type ChildPolicy } from '../supervisor/policy.ts'
import { isProcessMessage } from './process-messages.ts'

/** How a process of this home is kept running, as its settings say. */
export function policyOf(settings: SupervisionSettings): ChildPolicy {
  return { ...defaultPolicy, ...settings }
}

/** What the messages of an agent or a hub mean to whoever keeps it running. */
export function understand(message: unknown): ChildWord | undefined {
  if (!isProcessMessage(message)) return undefined
  switch (message.type) {
    case 'ready':
    case 'hub':
      return { kind: 'ready' }
    case 'beat': {
      const { turnsDone, stalled, rssBytes, safeMode } = message
      return { kind: 'beat', turnsDone, stalled, rssBytes, mode: safeMode ? 'safe' : 'normal' }
    }
    case 'handover':
      return { kind: 'handover', withinMs: message.withinMs }
    case 'failed':
      return { kind: 'failed', text: `${message.code}: ${message.message}` }
    case 'busy':
      return { kind: 'busy', forMs: message.forMs }
    default:
      return undefined
  }
}
