import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPassing, lastingPath } from '../../../../src/daemon/service/paths.ts'
import { FakeServiceHost } from '../../../helpers/fake-service-host.ts'

test('a path with a version gives way to a link without one, if it leads there', () => {
  const host = new FakeServiceHost()
  host.environment = { PATH: '/home/ada/.nvm/versions/node/v24.1.0/bin:/opt/homebrew/bin:/usr/bin' }
  const cellar = '/opt/homebrew/Cellar/node/24.1.0/bin/node'
  host.files.set(cellar, '')
  host.links.set('/opt/homebrew/bin/node', cellar)
  host.files.set('/usr/bin/node', '')
  assert.equal(lastingPath(cellar, host), '/opt/homebrew/bin/node')
})

test('a path without a version stays, and so does one that no link leads to', () => {
  const host = new FakeServiceHost()
  host.environment = { PATH: '/usr/bin' }
  host.files.set('/usr/bin/node', '')
  const nvm = '/home/ada/.nvm/versions/node/v24.1.0/bin/node'
  host.files.set(nvm, '')
  assert.equal(lastingPath('/usr/bin/node', host), '/usr/bin/node')
  assert.equal(lastingPath(nvm, host), nvm)
  assert.equal(lastingPath('/opt/node-linux-x64/bin/node', host), '/opt/node-linux-x64/bin/node')
})

test('what npx has downloaded does not last', () => {
  assert.ok(isPassing('/home/ada/.npm/_npx/1a2b/node_modules/perdura/bin/perdura.mjs'))
  assert.ok(!isPassing('/usr/lib/node_modules/perdura/bin/perdura.mjs'))
})
