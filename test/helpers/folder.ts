import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** Runs `use` with a folder that is removed afterwards. */
export async function withFolder<T>(use: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'perdura-test-'))
  try {
    return await use(folder)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** A checksum for each file of the folder, by its path: two pictures are equal where no byte has changed. */
export function pictureOf(folder: string): Record<string, string> {
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()
  const files = names.filter((name) => fs.statSync(path.join(folder, name)).isFile())
  return Object.fromEntries(files.map((name) => [name, sha256(fs.readFileSync(path.join(folder, name)))]))
}

export function copyFolder(from: string, to: string): void {
  fs.rmSync(to, { recursive: true, force: true })
  fs.cpSync(from, to, { recursive: true })
}

/** Changes one byte. Never of a file that this process has open as a database: closing it here would drop its locks. */
export function flipByte(file: string, offset: number): void {
  const bytes = fs.readFileSync(file)
  bytes[offset] = (bytes[offset] as number) ^ 0x01
  fs.writeFileSync(file, bytes)
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
