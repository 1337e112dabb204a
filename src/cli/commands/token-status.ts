import { formatDuration } from '../../duration.ts'
import type { TokenStatus } from '../../credentials/token-status.ts'
import type { Call } from '../call.ts'
import { formatTime, type Output } from '../output.ts'
import { lookAtTokens } from '../token-desk.ts'

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const hubs = await lookAtTokens(call, agent)
  if (hubs.length === 0) call.output.line(`${agent} has been at no hub yet, and has no tokens`)
  for (const status of hubs) showTokens(call.output, agent, status)
  call.output.document({ agent, hubs })
}

const protection = {
  systemd: 'sealed with a key that systemd gives to its service: a copy of the home does not open it',
  keychain: 'sealed with a key in your keychain: a copy of the home does not open it',
  file: 'sealed with credentials.key of the home: a copy of the agent does not open it, one of the whole home does',
  plain: 'not sealed yet: the next change of it is',
} as const

/** Also what the other verbs end with. */
export function showTokens(output: Output, agent: string, status: TokenStatus): void {
  const now = Date.now()
  const line = (title: string, text: string): void =>
    output.line(`${output.paint('dim', title.padEnd(12))} ${text}`)
  const time = (at: number | null): string =>
    at === null ? 'unknown' : `${formatTime(at, now)}, ${formatDuration(Math.max(0, now - at))} ago`
  const { access, generation, kept, key, loginGeneration, refresh, state } = status
  output.line(`${output.paint('bold', agent)}  ${output.paint(state === 'ok' ? 'green' : 'yellow', state)}`)
  line('hub', `${status.hub}${status.aiId === null ? '' : `, as number ${status.aiId}`}`)
  line('access', describeAccess(access))
  const until = refresh.expiresAt === null ? '' : `, good until ${formatTime(refresh.expiresAt, now)}`
  const got = refresh.gotAt === null ? '' : `, got ${time(refresh.gotAt)}${until}`
  line('refresh', `${refresh.state}${got}, exchanged ${refresh.rotations} times`)
  line('login', status.loginSince === null ? 'unknown' : time(status.loginSince))
  const under =
    loginGeneration === null || loginGeneration === generation ? '' : `, the login is of ${loginGeneration}`
  line('generation', `${generation}${under}`)
  line('key', `${key.fingerprint}${key.changing ? ', which the hub is yet to be told of' : ''}`)
  line('kept', protection[kept.by])
  line('', 'whoever can run programs as this user can use it in any case')
}

function describeAccess({ expiresInMs, state }: TokenStatus['access']): string {
  if (state === 'ok') return `ok, for another ${formatDuration(expiresInMs ?? 0)}`
  if (state === 'none') return 'none'
  if (state === 'expired') return 'expired: the next one is got when it is needed'
  return 'unknown: a clock was set, or the machine slept or was started anew; the next one is got when it is needed'
}
