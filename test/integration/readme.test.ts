import '../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until, withCommandLine } from '../helpers/command-line.ts'
import { readmeAgent } from '../helpers/readme.ts'

const patience = { timeout: 60_000 }

test('the agent of the README pays once for each message, however often it is killed', patience, () =>
  withCommandLine(async (cli) => {
    writeFileSync(join(cli.folder, 'grace.ts'), readmeAgent())
    const up = await cli.up(['./grace.ts'])
    const texts = ['a pound of sugar', 'flour', 'two eggs']
    for (const text of texts) {
      const { pid } = cli.record('Grace')
      const sent = cli.json(['send', 'Grace', text, '--wait'])
      process.kill(pid, 'SIGKILL')
      const { replies } = await sent
      assert.deepEqual(
        replies.map((reply: { text: string }) => reply.text),
        [`Paid ${text.length}`],
      )
      await until('it is back', () => cli.record('Grace').pid !== pid)
    }
    const receipts = readFileSync(join(cli.folder, 'receipts.jsonl'), 'utf8').trim().split('\n')
    assert.deepEqual(
      receipts.map((line) => (JSON.parse(line) as { amount: number }).amount),
      texts.map((text) => text.length),
    )
    const paid = texts.reduce((sum, text) => sum + text.length, 0)
    assert.equal(JSON.parse((await cli.run(['state', 'show', 'Grace'])).stdout).paid, paid)
    up.kill('SIGTERM')
    assert.equal((await up.ended).code, 0)
  }),
)

test('the three minutes of the README: it remembers after every process was killed', patience, () =>
  withCommandLine(async (cli) => {
    const first = await cli.upWithHub()
    await cli.json(['send', 'Ada', 'remember that the key is under the mat', '--wait'])
    await cli.json(['send', 'Ada', 'ask Bo to remember that it rains', '--wait'])
    await first.says(/you: Bo says: I will remember: it rains/)
    const pids = [cli.record('Ada').pid, cli.record('Bo').pid, cli.hubRecord().pid]
    first.kill('SIGKILL')
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await first.ended
    await cli.upWithHub()
    const { replies } = await cli.json(['send', 'Ada', 'where is the key?', '--wait'])
    assert.equal(replies[0].text, 'The key is under the mat.')
  }),
)

test('the agent of the README goes to the hub of its home, where Ada reaches it', patience, () =>
  withCommandLine(async (cli) => {
    writeFileSync(join(cli.folder, 'grace.ts'), readmeAgent())
    const up = await cli.upWithHub()
    const grace = await cli.up(['./grace.ts'])
    await grace.says(/session online/)
    await cli.json(['send', 'Ada', 'ask Grace for a pound of sugar', '--wait'])
    await up.says(/you: Grace says: Paid \d+/)
    grace.kill('SIGTERM')
    assert.equal((await grace.ended).code, 0)
    up.kill('SIGTERM')
    assert.equal((await up.ended).code, 0)
  }),
)
