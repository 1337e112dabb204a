import type { MarkFile } from '../../src/platform/mark-file.ts'

/** A mark in memory: it survives whoever writes it. */
export class MemoryMarkFile implements MarkFile {
  text = ''

  read(): string {
    return this.text
  }

  write(line: string): void {
    this.text = line
  }
}
