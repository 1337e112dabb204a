import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 90_000 }

async function busyAda(cli: CommandLine): Promise<void> {
  writeFileSync(
    join(cli.folder, 'ada.ts'),
    `import { defineAgent } from 'perdura'
     const spin = () => { const end = Date.now() + 20; while (Date.now() < end) Math.sqrt(2) }
     setInterval(function spinning() { spin() }, 40)
     export default defineAgent({ name: 'Ada', onMessage: (message, ctx) => ctx.reply('here') })`,
  )
  await cli.up(['./ada.ts', '--no-hub'])
}

test('profiles of processor and memory are taken of a running agent, which goes on', patience, () =>
  withCommandLine(async (cli) => {
    await busyAda(cli)
    const { pid } = cli.record()
    const cpu = await cli.json(['profile', 'Ada', '--cpu', '700ms', '--out', 'ada.cpuprofile'])
    const cpuFile = join(cli.folder, 'ada.cpuprofile')
    assert.deepEqual([cpu.file, cpu.kind, cpu.size_bytes], [cpuFile, 'cpu', statSync(cpuFile).size])
    const { nodes } = JSON.parse(readFileSync(cpuFile, 'utf8')) as {
      readonly nodes: readonly { readonly callFrame: { readonly url: string } }[]
    }
    assert.ok(nodes.some(({ callFrame }) => callFrame.url.endsWith('/ada.ts')))

    const heap = await cli.run(['profile', 'Ada', '--heap', '--out', 'ada.heapsnapshot'])
    assert.equal(heap.code, 0, heap.stderr)
    assert.match(heap.stderr, /stands still .* secrets too/)
    const heapFile = join(cli.folder, 'ada.heapsnapshot')
    assert.ok('snapshot' in JSON.parse(readFileSync(heapFile, 'utf8')))
    for (const file of [cpuFile, heapFile]) assert.equal(statSync(file).mode & 0o777, 0o600)
    const left = readdirSync(join(cli.home, 'agents', 'Ada')).filter((name) => name.startsWith('profile'))
    assert.deepEqual(left, [])
    assert.equal((await cli.json(['send', 'Ada', 'hello', '--wait'])).replies[0].text, 'here')
    assert.equal(cli.record().pid, pid)
  }),
)

test('one profile at a time, into a file that is not there yet, of an agent that runs', patience, () =>
  withCommandLine(async (cli) => {
    await busyAda(cli)
    const first = cli.start(['profile', 'Ada', '--cpu', '2s', '--out', 'first.cpuprofile', '--json'])
    await first.says(/looking at Ada/)
    // Which of them asks first, nobody knows.
    const codes: unknown[] = []
    for (let attempt = 0; attempt < 20 && codes.length === 0; attempt += 1) {
      const other = await cli.run(['profile', 'Ada', '--cpu', '100ms', '--out', `other-${attempt}`, '--json'])
      if (other.code !== 0) codes.push(JSON.parse(other.stdout).code)
    }
    assert.deepEqual(codes, ['ERR_PROFILE_RUNNING'])
    assert.equal((await first.ended).code, 0)
    const again = await cli.run(['profile', 'Ada', '--cpu', '100ms', '--out', 'first.cpuprofile'])
    assert.match(again.stderr, /ERR_FILE_EXISTS/)
    for (const wrong of [[], ['--cpu', '1s', '--heap'], ['--cpu', '1h']])
      assert.equal((await cli.run(['profile', 'Ada', ...wrong])).code, 2)
    await cli.json(['stop', 'Ada'])
    assert.equal((await cli.run(['profile', 'Ada', '--heap'])).code, 3)
  }),
)
