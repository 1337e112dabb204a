import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const repository = path.join(import.meta.dirname, '..', '..')

/** Puts this package and what it depends on into a folder of modules below a root, as npm would have done. */
export function installPackage(root: string, modules: string): void {
  const installed = path.join(root, modules, 'perdura')
  const manifest = readManifest(repository)
  fs.mkdirSync(installed, { recursive: true })
  for (const name of ['package.json', ...manifest.files.filter((file) => file !== 'dist')])
    fs.cpSync(path.join(repository, name), path.join(installed, name), { recursive: true })
  const build = [path.join(repository, 'scripts', 'build.mjs'), '--out', path.join(installed, 'dist')]
  const { status, stderr } = spawnSync(process.execPath, build, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the package could not be built: ${stderr}`)
  const wanted = Object.keys(manifest.dependencies)
  const seen = new Set<string>()
  for (let name = wanted.shift(); name !== undefined; name = wanted.shift()) {
    if (seen.has(name)) continue
    seen.add(name)
    const from = path.join(repository, 'node_modules', name)
    fs.cpSync(fs.realpathSync(from), path.join(root, modules, name), { recursive: true })
    wanted.push(...Object.keys(readManifest(from).dependencies))
  }
}

function readManifest(folder: string): { files: string[]; dependencies: Record<string, string> } {
  const { files = [], dependencies = {} } = JSON.parse(
    fs.readFileSync(path.join(folder, 'package.json'), 'utf8'),
  ) as { files?: string[]; dependencies?: Record<string, string> }
  return { files, dependencies }
}
