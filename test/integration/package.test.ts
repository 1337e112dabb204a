import '../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { readmeAgent } from '../helpers/readme.ts'

const execute = promisify(execFile)
const repository = join(import.meta.dirname, '..', '..')

interface Manifest {
  readonly version: string
  readonly files: readonly string[]
  readonly exports: Record<string, string | Record<string, string>>
  readonly dependencies: Record<string, string>
}

const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as Manifest

// A project that has installed Perdura: what `npm pack` takes, and the packages that it depends on, no others.
const project = realpathSync(mkdtempSync(join(tmpdir(), 'package-')))
const modules = join(project, 'node_modules')
const installed = join(modules, 'perdura')
const command = join(installed, 'bin', 'perdura.mjs')

before(async () => {
  mkdirSync(installed, { recursive: true })
  for (const name of ['package.json', ...manifest.files.filter((file) => file !== 'dist')]) {
    cpSync(join(repository, name), join(installed, name), { recursive: true })
  }
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(repository, 'node_modules', name), join(modules, name))
  }
  await execute(process.execPath, [
    join(repository, 'scripts', 'build.mjs'),
    '--out',
    join(installed, 'dist'),
  ])
  writeFileSync(join(project, 'package.json'), '{ "type": "commonjs" }')
  await execute(process.execPath, [command, 'new', 'Ada'], { cwd: project })
})

after(() => {
  rmSync(project, { recursive: true, force: true })
})

test('everything that the package exports is in it', () => {
  const targets = Object.values(manifest.exports).flatMap((target) =>
    typeof target === 'string' ? [target] : Object.values(target),
  )
  assert.deepEqual(
    targets.filter((target) => !existsSync(join(installed, target))),
    [],
  )
})

test('the installed command says its version', async () => {
  const { stdout } = await execute(process.execPath, [command, 'version'])
  assert.equal(stdout, `${manifest.version}\n`)
})

test('the installed command runs an agent file', async () => {
  const args = [command, 'run', './ada.ts', '--port', '0', '--home', join(project, 'home')]
  const agent = spawn(process.execPath, args, { cwd: project, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [agent.stdout, agent.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (output.includes('Ada is ready')) agent.kill('SIGTERM')
    })
  }
  const code = await new Promise((resolve) => agent.once('close', resolve))
  assert.equal(code, 0, output)
  assert.match(output, /Ada is ready/)
})

test('the agent of the README works from the package', async () => {
  writeFileSync(join(project, 'grace.ts'), readmeAgent())
  const home = ['--home', join(project, 'home')]
  const args = [command, 'run', './grace.ts', '--port', '0', ...home]
  const agent = spawn(process.execPath, args, { cwd: project, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise((resolve) => agent.once('close', resolve))
  let output = ''
  await new Promise<void>((resolve) => {
    agent.once('close', resolve)
    agent.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (output.includes('Grace is ready')) resolve()
    })
  })
  const send = [command, 'send', 'Grace', 'a pound of sugar', '--wait', ...home]
  try {
    assert.equal((await execute(process.execPath, send, { cwd: project })).stdout, 'Paid 16\n', output)
  } finally {
    agent.kill('SIGTERM')
  }
  assert.equal(await ended, 0, output)
})

test('a program imports it, and the compiler checks what it says', async () => {
  const program = `
    import { defineAgent, PerduraError } from 'perdura'
    const agent = defineAgent({ name: 'Ada', onMessage: async (message, ctx) => { await ctx.reply(message.text) } })
    // @ts-expect-error: a name is a string
    const wrong = (): unknown => defineAgent({ name: 1 })
    console.log(agent.name, typeof wrong, typeof PerduraError)`
  writeFileSync(join(project, 'program.mts'), program)
  const types = join(repository, 'node_modules', '@types')
  const config = {
    compilerOptions: {
      module: 'nodenext',
      target: 'es2024',
      strict: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [types],
    },
    files: ['program.mts'],
  }
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config))
  const compiler = join(repository, 'node_modules', 'typescript', 'bin', 'tsc')
  await execute(process.execPath, [compiler, '--project', project])
  const { stdout } = await execute(process.execPath, [join(project, 'program.mts')])
  assert.equal(stdout, 'Ada function function\n')
})
