import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { ParentLink } from '../../../src/cli/parent-link.ts'
import { until } from '../../helpers/command-line.ts'

/** A daemon, as far as a process sees it: what each connection was told. */
function listen(path: string, told: Record<string, unknown>[][], sockets: Socket[]): Server {
  return createServer((socket) => {
    const lines: Record<string, unknown>[] = []
    told.push(lines)
    sockets.push(socket)
    socket.on('error', () => undefined)
    createInterface({ input: socket }).on('line', (line) => {
      lines.push(JSON.parse(line) as Record<string, unknown>)
    })
  }).listen(path)
}

test('what a process has said of its state, and of its end, the next daemon hears too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'perdura-link-'))
  const path = join(folder, 'link.sock')
  const told: Record<string, unknown>[][] = []
  const sockets: Socket[] = []
  const server = listen(path, told, sockets)
  const types = (lines: readonly Record<string, unknown>[] | undefined): unknown[] =>
    lines?.map(({ type }) => type) ?? []
  try {
    const link = new ParentLink(path, 'agent:Ada')
    await link.tell({ type: 'named', name: 'Ada', folder })
    await until('it is there', () => types(told[0]).includes('named'))
    await link.tell({ type: 'handover', withinMs: 1_800_000 })
    await until('it has said so', () => types(told[0]).includes('handover'))
    assert.deepEqual(told[0]?.at(-1), { type: 'handover', withinMs: 1_800_000 })
    sockets[0]?.destroy()
    await until('it has said so again', () => types(told[1]).includes('handover'))
    assert.deepEqual(types(told[1]), ['hello', 'named', 'handover'])
    const within = Number(told[1]?.at(-1)?.['withinMs'])
    // The same end, so less time than before.
    assert.ok(within < 1_800_000 && within > 1_700_000, String(within))
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true })
  }
})
