import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { agentRoutes } from '../../../../src/hub/rest/agent-routes.ts'
import { authRoutes } from '../../../../src/hub/rest/auth-routes.ts'
import { messageRoutes } from '../../../../src/hub/rest/message-routes.ts'
import type { RestDeps } from '../../../../src/hub/rest/route.ts'
import { sessionRoutes } from '../../../../src/hub/rest/session-routes.ts'

const text = readFileSync(join(import.meta.dirname, '../../../../docs/reference/hub-api.md'), 'utf8')

test('every route is documented, and no other', () => {
  // What a route needs, it needs when it is called.
  const deps = {} as RestDeps
  const routes = [...authRoutes(deps), ...agentRoutes(deps), ...sessionRoutes(deps), ...messageRoutes(deps)]
  const served = routes.map(({ method, path }) => {
    const shown = path.source
      .replace(/^\^|\$$/g, '')
      .replaceAll('\\/', '/')
      .replaceAll('([^/]+)', '{id}')
    return `${method} ${shown}`
  })
  const documented = [...text.matchAll(/^### ((?:GET|POST|PUT|DELETE) \S+)$/gm)].map(([, route]) => route)
  assert.deepEqual(new Set(documented), new Set(served))
})
