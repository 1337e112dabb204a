import assert from 'node:assert/strict'
import https from 'node:https'
import type net from 'node:net'
import { test } from 'node:test'
import tls from 'node:tls'
import { createNodeHttp } from '../../../src/platform/node/http-client.ts'
import { createNodeTransport } from '../../../src/platform/node/transport.ts'
import { createCertificate } from '../../helpers/certificate.ts'
import { requestOf, textOf } from '../../helpers/http-behaviour.ts'
import '../../helpers/leaks.ts'
import { connect } from '../../helpers/transport-behaviour.ts'

const timeoutMs = 5_000
const http = createNodeHttp()

async function withTlsServer(run: (port: number, cert: string) => Promise<void>): Promise<void> {
  const { key, cert } = createCertificate()
  const server = https.createServer({ key, cert }, (request, response) => {
    response.writeHead(200).end(`secret ${request.url}`)
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await run((server.address() as net.AddressInfo).port, cert)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

test('asks over TLS whom it can trust', () =>
  withTlsServer(async (port, cert) => {
    const trusted = tls.getCACertificates()
    tls.setDefaultCACertificates([...trusted, cert])
    try {
      const address = { host: '127.0.0.1', port, tls: true }
      assert.equal(textOf(await http.request(address, requestOf('/x'), { timeoutMs })), 'secret /x')
      const socket = connect(createNodeTransport(), `wss://127.0.0.1:${port}/`)
      assert.equal((await socket.closed).status, 200)
    } finally {
      tls.setDefaultCACertificates(trusted)
    }
  }))

test('asks nobody whom it cannot trust, and says that nothing was done', () =>
  withTlsServer(async (port) => {
    const address = { host: '127.0.0.1', port, tls: true }
    await assert.rejects(http.request(address, requestOf('/x'), { timeoutMs }), {
      code: 'ERR_HTTP_UNREACHABLE',
      message: new RegExp(`^https://127\\.0\\.0\\.1:${port} gave no answer.*SELF_SIGNED`),
      details: { address: `https://127.0.0.1:${port}`, reason: 'refused' },
    })
    const socket = connect(createNodeTransport(), `wss://127.0.0.1:${port}/`)
    assert.match((await socket.closed).reason, /self-signed/)
  }))
