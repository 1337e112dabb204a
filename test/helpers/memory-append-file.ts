import type { AppendFile } from '../../src/platform/append-file.ts'

/** A file in memory: it survives whoever writes it. */
export class MemoryAppendFile implements AppendFile {
  readonly passedOverBytes = 0
  older = ''
  text = ''
  /** Nothing can be written. */
  full = false

  read(): string {
    const whole = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`)
    return whole(this.older) + whole(this.text)
  }

  append(lines: string): void {
    if (this.full) throw Object.assign(new Error('no room'), { code: 'ENOSPC' })
    this.text += this.text === '' || this.text.endsWith('\n') ? lines : `\n${lines}`
  }

  get sizeBytes(): number {
    return this.text.length
  }

  rotate(): void {
    this.older = this.text
    this.text = ''
  }
}
