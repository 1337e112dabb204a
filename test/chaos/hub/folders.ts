import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Of an agent: what proves who it is stays as it is, as with every restore; and its log tells of both lives. */
const kept = ['credentials', 'agent.log']

/** Copies everything that a restore puts back, of a folder that no process has open. */
export function takeCopy(folder: string, copy: string): void {
  rmSync(copy, { recursive: true, force: true })
  cpSync(folder, copy, {
    recursive: true,
    filter: (path) => !kept.some((name) => path === join(folder, name)),
  })
}

/** Makes the folder what it was, apart from what is kept. */
export function putBack(folder: string, copy: string): void {
  for (const name of readdirSync(folder)) {
    if (!kept.includes(name)) rmSync(join(folder, name), { recursive: true })
  }
  cpSync(copy, folder, { recursive: true })
}
