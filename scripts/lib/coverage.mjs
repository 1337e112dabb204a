import { spawn } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import module from 'node:module'
import { join } from 'node:path'

import { root } from './setup.mjs'

const linesPercent = 80

/**
 * Prints the line coverage of src, merged over every process that wrote to the folder, and says whether there is
 * enough. Type stripping keeps every position, so what V8 counted is the source as it stands.
 *
 * @param {string} folder that was NODE_V8_COVERAGE
 * @returns {Promise<boolean>}
 */
export async function reportCoverage(folder) {
  if (!existsSync(folder) || globSync('src/**/*.ts', { cwd: root }).length === 0) return true
  const { promise, resolve } = Promise.withResolvers()
  const args = [
    join(root, 'node_modules', 'c8', 'bin', 'c8.js'),
    'report',
    `--temp-directory=${folder}`,
    '--all',
    '--src=src',
    '--include=src/**',
    '--extension=.ts',
    ...typeOnlyFiles().map((file) => `--exclude=${file}`),
    '--merge-async',
    '--reporter=text',
    '--skip-full',
    '--check-coverage',
    `--lines=${linesPercent}`,
  ]
  spawn(process.execPath, args, { cwd: root, stdio: 'inherit' }).once('close', resolve)
  return (await promise) === 0
}

/** Files without any code are never loaded, and would count as wholly uncovered. */
function typeOnlyFiles() {
  return globSync('src/**/*.ts', { cwd: root }).filter((file) => {
    const code = module.stripTypeScriptTypes(readFileSync(join(root, file), 'utf8'))
    return code.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*|export\s*\{\s*\};?|[\s;]/g, '') === ''
  })
}
