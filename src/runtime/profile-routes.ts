import { PerduraError } from '../errors.ts'
import type { ProfileRequest, Profiler } from '../platform/profile.ts'
import { Fields, readJsonBody } from './request.ts'
import { json, type Route } from './route.ts'

const durationMsMin = 100
const durationMsMax = 600_000

/** Looking into the process: a part of the control socket. */
export function profileRoutes(profiler: Profiler): Route[] {
  return [
    {
      method: 'POST',
      path: /^\/v1\/profile$/,
      answer: async ({ request }) => {
        const { path, sizeBytes } = await profiler.take(requestOf(new Fields(readJsonBody(request))))
        return json(200, { file: path, size_bytes: sizeBytes })
      },
    },
  ]
}

function requestOf(fields: Fields): ProfileRequest {
  const kind = fields.text('kind')
  if (kind === 'heap') return { kind }
  if (kind !== 'cpu') throw new PerduraError('ERR_PAYLOAD_INVALID', '"kind" must be "cpu" or "heap"')
  const durationMs = fields.count('duration_ms')
  if (durationMs < durationMsMin || durationMs > durationMsMax)
    throw new PerduraError(
      'ERR_PAYLOAD_INVALID',
      `"duration_ms" must be from ${durationMsMin} to ${durationMsMax}`,
    )
  return { kind, durationMs }
}
