import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Call } from '../../../src/cli/call.ts'
import { chooseAgents, eachAgent, type AgentResult } from '../../../src/cli/chosen-agents.ts'
import { Output } from '../../../src/cli/output.ts'
import { PerduraError } from '../../../src/errors.ts'
import { withFolder } from '../../helpers/folder.ts'

interface Heard {
  readonly call: Call
  readonly stderr: () => string
  // oxlint-disable-next-line typescript/no-explicit-any -- each test knows its document
  readonly document: () => any
}

function heard(home: string, words: readonly string[], all = false): Heard {
  const stdout: string[] = []
  const stderr: string[] = []
  const output = new Output({
    json: true,
    quiet: false,
    colour: { stdout: false, stderr: false },
    stdout: { write: (text) => stdout.push(text) },
    stderr: { write: (text) => stderr.push(text) },
  })
  const call = new Call({
    verb: 'stop',
    arguments: words,
    values: { home, ...(all && { all }) },
    output,
    environment: {},
  })
  return { call, stderr: () => stderr.join(''), document: () => JSON.parse(stdout.join('')) }
}

const refuse = (name: string): PerduraError => new PerduraError('ERR_NOT_RUNNING', `${name} is not running`)

test('each agent that was named is taken once, in the order in which they were written', () =>
  withFolder((folder) => {
    assert.deepEqual(chooseAgents(heard(folder, ['Bo', 'Ada', 'Bo']).call), {
      names: ['Bo', 'Ada'],
      single: false,
    })
    assert.deepEqual(chooseAgents(heard(folder, ['Ada', 'Ada']).call), { names: ['Ada'], single: true })
  }))

test('--all is every agent of the home, and a list also when there is one', () =>
  withFolder((folder) => {
    const { call } = heard(folder, [], true)
    assert.deepEqual(chooseAgents(call), { names: [], single: false })
    for (const name of ['Bo', 'Ada']) mkdirSync(join(folder, 'agents', name), { recursive: true })
    assert.deepEqual(chooseAgents(call), { names: ['Ada', 'Bo'], single: false })
    assert.deepEqual(chooseAgents(heard(folder, []).call, 'all').names, ['Ada', 'Bo'])
  }))

test('neither names nor --all, and both, are refused', () =>
  withFolder((folder) => {
    assert.throws(() => chooseAgents(heard(folder, []).call), { code: 'ERR_USAGE' })
    assert.throws(() => chooseAgents(heard(folder, ['Ada'], true).call), { code: 'ERR_USAGE' })
    assert.throws(() => chooseAgents(heard(folder, ['Ada'], true).call, 'all'), { code: 'ERR_USAGE' })
  }))

test('what one agent answers is the whole document, and its error that of the command', () =>
  withFolder(async (folder) => {
    const one = heard(folder, ['Ada'])
    const code = await eachAgent(one.call, chooseAgents(one.call), (agent) => ({
      document: { agent, wasRunning: true },
      exitCode: 3,
    }))
    assert.deepEqual([code, one.document()], [3, { agent: 'Ada', was_running: true }])
    const failing = heard(folder, ['Ada'])
    await assert.rejects(
      eachAgent(failing.call, chooseAgents(failing.call), (agent) => Promise.reject(refuse(agent))),
      { code: 'ERR_NOT_RUNNING' },
    )
  }))

test('one that fails does not keep the others from it, and the worst exit code is that of all', () =>
  withFolder(async (folder) => {
    const { call, stderr, document } = heard(folder, ['Ada', 'Bo', 'Cy', 'Di'])
    const code = await eachAgent(call, chooseAgents(call), (agent) => {
      if (agent === 'Bo') throw refuse(agent)
      if (agent === 'Cy') return Promise.reject(new TypeError('a bug'))
      return { document: { agent } }
    })
    assert.equal(code, 3)
    assert.deepEqual(document(), {
      agents: [
        { agent: 'Ada' },
        { agent: 'Bo', success: false, error: 'Bo is not running', code: 'ERR_NOT_RUNNING' },
        { agent: 'Cy', success: false, error: 'a bug', code: 'ERR_INTERNAL' },
        { agent: 'Di' },
      ],
    })
    assert.match(stderr(), /^perdura: Bo: ERR_NOT_RUNNING: Bo is not running$/m)
    assert.match(stderr(), /^perdura: Cy: ERR_INTERNAL: a bug$/m)
  }))

test('a slow agent holds up nobody, at most eight are under way, and the document keeps their order', () =>
  withFolder(async (folder) => {
    const names = Array.from({ length: 20 }, (_, at) => `agent-${at}`)
    const { call, document } = heard(folder, names)
    const slow = Promise.withResolvers<void>()
    const done: string[] = []
    let underWay = 0
    let most = 0
    await eachAgent(call, chooseAgents(call), async (agent): Promise<AgentResult> => {
      most = Math.max(most, (underWay += 1))
      await (agent === 'agent-0' ? slow.promise : Promise.resolve())
      underWay -= 1
      done.push(agent)
      if (done.length === names.length - 1) slow.resolve()
      return { document: { agent } }
    })
    assert.equal(most, 8)
    assert.equal(done.at(-1), 'agent-0')
    assert.deepEqual(
      document().agents.map(({ agent }: { agent: string }) => agent),
      names,
    )
  }))
