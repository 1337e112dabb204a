import { PerduraError } from '../errors.ts'
import type { Refusal } from './auth-client.ts'

/** The error for a refusal whose reason only a person can remove; undefined for any other. */
export function finalRefusal(
  { isOfHub, code }: Refusal,
  { where, name }: { readonly where: string; readonly name: string },
): PerduraError | undefined {
  const details = { hub: where, name }
  switch (isOfHub ? code : undefined) {
    case 'ERR_NAME_TAKEN':
      return new PerduraError(
        'ERR_NAME_TAKEN',
        `another agent is "${name}" at the hub ${where}: give this one another name, or put back the credentials that ` +
          'it was registered with',
        { details },
      )
    case 'ERR_PROFILE_INACTIVE':
      return new PerduraError(
        'ERR_PROFILE_INACTIVE',
        `"${name}" is switched off at the hub ${where}: ask who runs the hub`,
        { details },
      )
    case 'ERR_OPEN_LOGIN':
      return new PerduraError(
        'ERR_OPEN_LOGIN',
        `the hub ${where} does not take the key of "${name}" for a proof: ask who runs the hub`,
        { details },
      )
    default:
      return undefined
  }
}
