import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const repository = join(import.meta.dirname, '..', '..')
const hook = pathToFileURL(join(repository, 'src', 'cli', 'resolve-hook.ts')).href

type Files = Record<string, string>

interface Outcome {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

/** A stand-in for Perdura: `perdura` says which copy it is, so that a test sees which one an agent got. */
const copy: Files = {
  'package.json': JSON.stringify({
    name: 'perdura',
    type: 'module',
    exports: {
      '.': { types: './dist/index.d.ts', default: './dist/index.js' },
      './testing': { default: './dist/testing/index.js' },
      './package.json': './package.json',
    },
  }),
  'src/index.ts': "export const defineAgent = (agent: object): object => ({ ...agent, from: 'src' })",
  'src/testing/index.ts': "export const simulate: string = 'src/testing'",
  'dist/index.js': "export const defineAgent = (agent) => ({ ...agent, from: 'dist' })",
  'dist/testing/index.js': "export const simulate = 'dist/testing'",
  'main.mjs': `
    import { installResolveHook } from '${hook}'
    installResolveHook({ root: new URL('./', import.meta.url), compiled: process.argv[3] === 'compiled' })
    const { default: agent } = await import(process.argv[2])
    console.log(JSON.stringify(agent))`,
}

const ada = `
  import { defineAgent } from 'perdura'
  import { z } from 'zod'
  const schema = z.object({ paid: z.number().default(0) })
  export default defineAgent({ name: 'Ada' as string, ...schema.parse({}) })`

/** Loads `./ada.ts`, or another file, from a folder of its own, and says what its default export is. */
async function load(folder: Files, file = 'ada.ts', mode = 'sources'): Promise<Outcome> {
  const place = realpathSync(mkdtempSync(join(tmpdir(), 'hook-')))
  try {
    write(join(place, 'copy'), copy)
    mkdirSync(join(place, 'copy', 'node_modules'))
    symlinkSync(join(repository, 'node_modules', 'zod'), join(place, 'copy', 'node_modules', 'zod'))
    write(join(place, 'agent'), folder)
    const args = [join(place, 'copy', 'main.mjs'), pathToFileURL(join(place, 'agent', file)).href, mode]
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
    return { stdout, stderr, code: 0 }
  } catch (error) {
    return error as Outcome
  } finally {
    rmSync(place, { recursive: true })
  }
}

function write(folder: string, files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
}

async function loads(folder: Files, expected: unknown, file?: string, mode?: string): Promise<void> {
  const { code, stderr, stdout } = await load(folder, file, mode)
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  assert.deepEqual(JSON.parse(stdout), expected)
}

const loaded = { name: 'Ada', paid: 0, from: 'src' }

test('loads an agent from a folder that has nothing else', async () => {
  await loads({ 'ada.ts': ada }, loaded)
})

test('loads an agent from a CommonJS folder', async () => {
  await loads({ 'ada.ts': ada, 'package.json': '{ "type": "commonjs" }' }, loaded)
})

test('loads an agent from a folder whose package.json does not say, without a warning', async () => {
  await loads({ 'ada.ts': ada, 'package.json': '{}' }, loaded)
})

test('loads an agent from an ES module folder', async () => {
  await loads({ 'ada.ts': ada, 'package.json': '{ "type": "module" }' }, loaded)
})

test('gives the compiled code when the compiled copy runs', async () => {
  await loads({ 'ada.ts': ada }, { ...loaded, from: 'dist' }, 'ada.ts', 'compiled')
})

test('loads the modules that an agent in a CommonJS folder imports, of either kind', async () => {
  const folder = {
    'package.json': '{ "type": "commonjs" }',
    'ada.ts': `
      import { price } from './lib/price.ts'
      import { rate } from './lib/rate.js'
      import old from './lib/old.ts'
      import { later } from './lib/later.ts'
      export default { price: price(2), rate, old: old.answer, later }`,
    'lib/price.ts': 'export function price(n: number): number { return n * 10 }',
    'lib/rate.js': 'export const rate = 0.5',
    'lib/old.ts': 'const answer: number = 42\nmodule.exports = { answer } // no import or export',
    'lib/later.ts': 'export const later: string = await Promise.resolve("awaited")',
  }
  await loads(folder, { price: 20, rate: 0.5, old: 42, later: 'awaited' })
})

test('loads a plain JavaScript agent from a CommonJS folder', async () => {
  const folder = { 'package.json': '{ "type": "commonjs" }', 'ada.js': ada.replace(' as string', '') }
  await loads(folder, loaded, 'ada.js')
})

test('loads an agent that is a CommonJS module', async () => {
  const code = "const { defineAgent } = require('perdura')\nconst { z } = require('zod')\n"
  const exported =
    "module.exports = defineAgent({ name: 'Ada', ...z.object({ paid: z.number() }).parse({ paid: 1 }) })"
  await loads({ 'ada.cjs': code + exported }, { ...loaded, paid: 1 }, 'ada.cjs')
  await loads(
    { 'ada.js': code + exported, 'package.json': '{ "type": "commonjs" }' },
    { ...loaded, paid: 1 },
    'ada.js',
  )
})

test('does not take the words import and export in a CommonJS module for syntax', async () => {
  const folder = {
    'package.json': '{ "type": "commonjs" }',
    'ada.ts':
      "const text: string = 'import and export, and await'\nmodule.exports = { text, file: typeof __filename }",
  }
  await loads(folder, { text: 'import and export, and await', file: 'string' })
})

test('does not take a text that looks like a module for one', async () => {
  const text = "import { a } from 'b'\\nexport default a"
  const folder = {
    'package.json': '{ "type": "commonjs" }',
    'ada.ts': `module.exports = { text: \`\n${text}\n\`, file: typeof __filename as string }`,
  }
  await loads(folder, { text: "\nimport { a } from 'b'\nexport default a\n", file: 'string' })
})

test('takes a file that mixes both for a module', async () => {
  const code = `
    import { createRequire } from 'node:module'
    const require = createRequire(import.meta.url)
    export default { path: require('node:path').basename('/a/b') as string }`
  await loads({ 'ada.ts': code, 'package.json': '{ "type": "commonjs" }' }, { path: 'b' })
})

test('gives the running copy even where the folder has a Perdura of its own', async () => {
  const folder = {
    'ada.ts': ada,
    'node_modules/perdura/package.json': '{ "type": "module", "exports": "./index.js" }',
    'node_modules/perdura/index.js': "export const defineAgent = () => 'another copy'",
  }
  await loads(folder, loaded)
})

test('gives the zod of the folder where it has one', async () => {
  const folder = {
    'ada.ts': "import { z } from 'zod'\nimport mini from 'zod/mini'\nexport default { z, mini }",
    'node_modules/zod/package.json':
      '{ "type": "module", "exports": { ".": "./index.js", "./mini": "./mini.js" } }',
    'node_modules/zod/index.js': "export const z = 'own zod'",
    'node_modules/zod/mini.js': "export default 'own mini'",
  }
  await loads(folder, { z: 'own zod', mini: 'own mini' })
})

test('gives the subpaths of Perdura and of zod', async () => {
  const code = `
    import { simulate } from 'perdura/testing'
    import { defineAgent } from 'perdura'
    import manifest from 'perdura/package.json' with { type: 'json' }
    import * as mini from 'zod/mini'
    export default { simulate, name: manifest.name, mini: typeof mini.object, agent: defineAgent({}) }`
  const expected = { simulate: 'src/testing', name: 'perdura', mini: 'function', agent: { from: 'src' } }
  await loads({ 'ada.ts': code }, expected)
})

test('says which subpath there is not', async () => {
  const { code, stderr } = await load({ 'ada.ts': "import 'perdura/internals'" })
  assert.equal(code, 1)
  assert.match(stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED.*perdura|'\.\/internals' is not defined by "exports"/s)
})

test('says which package is missing, and where it is imported', async () => {
  const { code, stderr } = await load({
    'ada.ts': "import nothing from 'no-such-package'\nexport default nothing",
  })
  assert.equal(code, 1)
  assert.match(stderr, /Cannot find package 'no-such-package' imported from .*ada\.ts/)
})

test('shows the place of a mistake in the file', async () => {
  const folder = {
    'package.json': '{ "type": "commonjs" }',
    'ada.ts': "import { z } from 'zod'\nexport default z. = 1",
  }
  const { code, stderr } = await load(folder)
  assert.equal(code, 1)
  assert.match(stderr, /ada\.ts/)
  assert.match(stderr, /SyntaxError|Syntax/)
})

test('leaves the modules of installed packages as they are', async () => {
  const folder = {
    'package.json': '{ "type": "commonjs" }',
    'ada.ts': "import old from 'old'\nexport default { old }",
    'node_modules/old/package.json': '{ "main": "index.js" }',
    'node_modules/old/index.js': "module.exports = typeof require + ' // import x'",
  }
  await loads(folder, { old: 'function // import x' })
})

test('works when the clone is reached through a symbolic link', async () => {
  const place = realpathSync(mkdtempSync(join(tmpdir(), 'hook-')))
  try {
    write(join(place, 'copy'), copy)
    symlinkSync(join(place, 'copy'), join(place, 'link'))
    write(join(place, 'agent'), {
      'ada.ts': "import { defineAgent } from 'perdura'\nexport default defineAgent({})",
    })
    const args = [join(place, 'link', 'main.mjs'), pathToFileURL(join(place, 'agent', 'ada.ts')).href]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    assert.deepEqual(JSON.parse(stdout), { from: 'src' })
  } finally {
    rmSync(place, { recursive: true })
  }
})
