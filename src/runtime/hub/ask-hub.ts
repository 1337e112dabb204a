import { errorCodes, PerduraError } from '../../errors.ts'
import { isJsonObject, type JsonObject } from '../../json.ts'
import { requestJson, type JsonAnswer, type JsonRequest } from '../../platform/http-json.ts'
import type { Http, HttpAddress } from '../../platform/http.ts'
import type { SessionCredentials } from '../../session/session.ts'

export interface HubCaller {
  readonly http: Http
  readonly credentials: Pick<SessionCredentials, 'access' | 'invalidate'>
}

const requestTimeoutMs = 10_000

/** Asks a hub in the name of whose credentials these are. */
export async function requestAs(
  { http, credentials }: HubCaller,
  address: HttpAddress,
  request: JsonRequest,
): Promise<JsonAnswer> {
  const { token } = await credentials.access()
  const headers = { ...request.headers, authorization: `Bearer ${token}` }
  const answer = await requestJson(http, address, { ...request, headers }, { timeoutMs: requestTimeoutMs })
  if (answer.status === 401) credentials.invalidate(token)
  return answer
}

/** What the hub answered, or the error that it gave, with its own code; `note` is what that says besides. */
export async function answerOf(
  request: () => Promise<JsonAnswer>,
  note: () => string = () => '',
): Promise<JsonObject> {
  const first = await request()
  // A token can be taken back before its time; with another one the question is a new one.
  const answer = first.status === 401 ? await request() : first
  const fields = isJsonObject(answer.body) ? answer.body : {}
  if (answer.status >= 200 && answer.status < 300) return fields
  const code = errorCodes.find((known) => known === fields['code']) ?? 'ERR_HUB_PROTOCOL'
  const error = fields['error']
  const text = typeof error === 'string' ? error : `the hub answered with status ${answer.status}`
  throw new PerduraError(code, `${text}${note()}`)
}
