import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'

import { assertNone, root } from './sources.ts'

const linesMax = 400

/** Longer files, each with the reason why it is one thing: `'src/file.ts': 'why'`. */
const long: Record<string, string> = {}

const read = (path: string) => readFileSync(join(root, path), 'utf8')

test(`no code file has more than ${linesMax} lines`, () => {
  const found = ['src/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.{mjs,ts}', 'bin/*.mjs', 'test/**/*.ts']
    .flatMap((pattern) => globSync(pattern, { cwd: root, exclude: ['bench/peers/**'] }))
    .map((path) => ({ path, lines: read(path).split('\n').length - 1 }))
    .filter(({ lines, path }) => lines > linesMax && long[path] === undefined)
    .map(({ lines, path }) => `${path} has ${lines}`)
  assertNone(found)
})

test('no file names the place where it was written', () => {
  // Put together here, so that this file does not name it either.
  const words = [['..', 'shared'].join('/'), ['', 'work', ''].join('/'), ['.', 'library'].join('')]
  const found = repositoryFiles().flatMap((path) => {
    const text = read(path)
    return words.filter((word) => text.includes(word)).map((word) => `${path} names ${word}`)
  })
  assertNone(found)
})

test('every relative link in the documents leads somewhere', () => {
  const broken = repositoryFiles()
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) =>
      linksOf(read(path))
        .filter((link) => !leadsSomewhere(path, link))
        .map((link) => `${path} → ${link}`),
    )
  assertNone(broken)
})

/** What Git knows and what it would take; in a copy without Git, everything but what is made here. */
function repositoryFiles(): string[] {
  let names: string[]
  try {
    const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
    names = execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).split('\0')
  } catch {
    names = globSync('**/*.{ts,mjs,md,json}', { cwd: root, exclude: ['**/node_modules/**', 'dist/**'] })
  }
  return names.filter(
    (name) => name !== '' && existsSync(join(root, name)) && !/\.(png|ico|woff2?)$/.test(name),
  )
}

function linksOf(markdown: string): string[] {
  const prose = markdown.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '').replaceAll(/`[^`\n]*`/g, '')
  const inline = [...prose.matchAll(/\]\(\s*<?([^\s)>]+)/g)].map((match) => match[1] ?? '')
  const reference = [...prose.matchAll(/^\[[^\]]+\]:\s*(\S+)/gm)].map((match) => match[1] ?? '')
  return [...inline, ...reference].filter((link) => !/^[a-z][a-z+.-]*:/i.test(link))
}

function leadsSomewhere(from: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? join(root, from) : resolve(root, dirname(from), decodeURIComponent(path))
  if (!existsSync(target) || relative(root, target).startsWith('..')) return false
  return (
    anchor === undefined || !target.endsWith('.md') || anchorsOf(readFileSync(target, 'utf8')).has(anchor)
  )
}

/** Headings, as GitHub makes anchors of them. */
function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>()
  const prose = markdown.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '')
  for (const [, heading = ''] of prose.matchAll(/^#{1,6}\s+(.*?)\s*#*$/gm)) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    const slug = text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-')
    let anchor = slug
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`
    anchors.add(anchor)
  }
  for (const [, id = ''] of markdown.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)) anchors.add(id)
  return anchors
}
