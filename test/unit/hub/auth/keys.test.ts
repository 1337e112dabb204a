import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SigningKeys } from '../../../../src/hub/auth/keys.ts'
import { code } from '../../../helpers/store-folder.ts'
import { HubWorld, keysFolder } from './world.ts'

const day = 86_400_000

function open(world: HubWorld): SigningKeys {
  return new SigningKeys({ ...world.ports, random: world.random, folder: keysFolder, tokenLifeS: 7 * 86_400 })
}

const filesOf = (world: HubWorld) => world.ports.disk.list(keysFolder)

test('the first start makes a key, and the next ones find it', () => {
  const world = new HubWorld()
  const { current } = open(world)
  assert.deepEqual(filesOf(world), [`${current.kid}.json`])
  assert.equal(current.secret.length, 32)
  const again = open(world).current
  assert.equal(again.kid, current.kid)
  assert.deepEqual(Buffer.from(again.secret), Buffer.from(current.secret))
})

test('a key is on disk before it signs', () => {
  const world = new HubWorld()
  const { current } = open(world)
  world.host.powerCut()
  assert.equal(open(world).current.kid, current.kid)
})

test('after 30 days another key signs, and the old one verifies as long as its tokens live', async () => {
  const world = new HubWorld()
  const keys = open(world)
  const first = keys.current
  await world.clock.runFor(30 * day)
  keys.rotate()
  assert.equal(keys.current.kid, first.kid)
  await world.clock.runFor(1_000)
  keys.rotate()
  const second = keys.current
  assert.notEqual(second.kid, first.kid)
  assert.notEqual(keys.find(first.kid), undefined)
  assert.equal(open(world).current.kid, second.kid)
  await world.clock.runFor(8 * day)
  keys.rotate()
  assert.notEqual(keys.find(first.kid), undefined)
  await world.clock.runFor(1_000)
  keys.rotate()
  assert.equal(keys.find(first.kid), undefined)
  assert.deepEqual(filesOf(world), [`${second.kid}.json`])
})

test('a hub that was off for months signs with a new key, and knows its old one for a while', async () => {
  const world = new HubWorld()
  const first = open(world).current
  await world.clock.runFor(200 * day, { eventsMax: 10 })
  const keys = open(world)
  assert.notEqual(keys.current.kid, first.kid)
  assert.notEqual(keys.find(first.kid), undefined)
})

test('a clock that jumps back makes no key', () => {
  const world = new HubWorld()
  const { current } = open(world)
  world.clock.jump(-365 * day)
  const keys = open(world)
  assert.equal(keys.current.kid, current.kid)
  assert.equal(filesOf(world).length, 1)
})

test('a damaged key is named and left as it is', () => {
  for (let offset = 0; offset < 90; offset += 3) {
    const world = new HubWorld(offset)
    const file = `${keysFolder}/${open(world).current.kid}.json`
    world.host.corrupt(file, { offset, length: 1 })
    const evidence = world.host.content(file)
    assert.throws(() => open(world), code('ERR_HUB_KEYS', /is damaged/))
    assert.deepEqual(world.host.content(file), evidence)
  }
})

test('an empty key file, one under another name and one of another shape are damage', () => {
  const world = new HubWorld()
  const { disk } = world.ports
  const { kid } = open(world).current
  const content = disk.readFile(`${keysFolder}/${kid}.json`) as Uint8Array
  for (const [name, bytes] of [
    ['copy', content],
    ['empty', new Uint8Array()],
    ['list', Buffer.from('[]')],
  ] as const) {
    disk.replaceFile(`${keysFolder}/${name}.json`, bytes)
    assert.throws(() => open(world), code('ERR_HUB_KEYS'))
    disk.remove(`${keysFolder}/${name}.json`)
  }
  disk.replaceFile(`${keysFolder}/notes.txt`, Buffer.from('not a key'))
  assert.equal(open(world).current.kid, kid)
})

test('a key that another hub on the same folder has made verifies here too, and is looked for once a second', async () => {
  const world = new HubWorld()
  const keys = open(world)
  const { current } = keys
  await world.clock.runFor(31 * day)
  const other = open(world).current
  assert.notEqual(other.kid, current.kid)
  assert.equal(keys.find('unknown'), undefined)
  await world.clock.runFor(1_000)
  let lists = 0
  const { disk } = world.ports
  const list = disk.list.bind(disk)
  disk.list = (folder) => {
    lists += 1
    return list(folder)
  }
  assert.equal(keys.find(other.kid)?.kid, other.kid)
  for (let asked = 0; asked < 100; asked++) assert.equal(keys.find('unknown'), undefined)
  assert.equal(lists, 1)
  assert.equal(keys.find(current.kid)?.kid, current.kid)
})
