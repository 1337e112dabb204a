import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { linkVariables } from '../../../src/daemon/link-protocol.ts'
import { createNodeHttp } from '../../../src/platform/node/http-client.ts'
import { sharedFolderOf } from '../../../src/platform/socket-place.ts'
import { until } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

/** Somebody who listens where the sockets of a home with a long path would be. */
async function withListener(
  use: (place: { folder: string; socketPath: string; connections: () => number }) => Promise<void>,
): Promise<void> {
  const folder = `/tmp/perdura-${randomUUID()}`
  const socketPath = join(folder, 'some.sock')
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok')
  })
  mkdirSync(folder, { mode: 0o700 })
  try {
    server.listen(socketPath)
    await once(server, 'listening')
    await use({ folder, socketPath, connections: () => sockets.size })
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
    rmSync(folder, { recursive: true, force: true })
  }
}

test('nothing is asked over a socket in a shared place, unless its folder is for this user alone', () =>
  withListener(async ({ folder, socketPath, connections }) => {
    assert.equal(sharedFolderOf(socketPath), folder)
    assert.equal(sharedFolderOf('/home/u/perdura/agents/Ada/control.sock'), undefined)
    const request = { method: 'GET', path: '/', headers: {}, body: new Uint8Array() }
    const ask = (path: string) =>
      createNodeHttp().request({ socketPath: path }, request, { timeoutMs: 10_000 })
    for (const mode of [0o755, 0o770, 0o702]) {
      chmodSync(folder, mode)
      await assert.rejects(ask(socketPath), { code: 'ERR_HOME_UNWRITABLE', message: new RegExp(folder) })
    }
    assert.equal(connections(), 0)
    chmodSync(folder, 0o700)
    assert.equal((await ask(socketPath)).status, 200)
    assert.equal(connections(), 1)
    // Nobody has made it: as where nobody listens.
    await assert.rejects(ask(`/tmp/perdura-${randomUUID()}/control.sock`), { code: 'ERR_HTTP_UNREACHABLE' })
  }))

test('a supervised process says nothing to who listens there, until the folder is for this user alone', () =>
  withListener(async ({ folder, socketPath, connections }) => {
    chmodSync(folder, 0o755)
    const link = new URL('../../../src/cli/parent-link.ts', import.meta.url).href
    const code = `
      const { ParentLink } = await import(${JSON.stringify(link)})
      new ParentLink(process.env.${linkVariables.socket}, 'agent:Ada')
      setInterval(() => {}, 1_000)
      setTimeout(() => console.log('tried'), 300)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      env: { ...process.env, [linkVariables.socket]: socketPath },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(child, 'close')
    try {
      await once(child.stdout, 'data')
      assert.equal(connections(), 0)
      chmodSync(folder, 0o700)
      await until('it connects', () => connections() > 0)
    } finally {
      child.kill('SIGKILL')
      await ended
    }
  }))
