import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { withDaemonWorld } from '../../helpers/daemon-world.ts'
import '../../helpers/leaks.ts'

test(
  'an agent and a hub whose ports are taken are said so, tried again, and run once the ports are free',
  { timeout: 120_000 },
  () =>
    withDaemonWorld(async (world) => {
      const others = [createServer(), createServer()]
      try {
        const ports: string[] = []
        for (const other of others) {
          other.listen(0, '127.0.0.1')
          await once(other, 'listening')
          ports.push(String((other.address() as AddressInfo).port))
        }
        const [agentPort = '', hubPort = ''] = ports
        const agent = await world.cli.run(['start', '--name', 'Ada', '--no-hub', '--port', agentPort])
        assert.match(agent.stderr, new RegExp(`ERR_PORT_IN_USE.*${agentPort}`))
        const hub = await world.cli.run(['hub', 'start', '--port', hubPort])
        assert.match(
          hub.stderr,
          new RegExp(`ERR_PORT_IN_USE.*${hubPort}.*with --port 0 the hub takes a free one`),
        )
        // An option that `hub start` does not have.
        assert.doesNotMatch(hub.stderr, /--ws-port/)
      } finally {
        for (const other of others) other.close()
      }
      await world.untilChild('agent:Ada', 'runs', ({ state }) => state === 'running')
      await world.untilChild('hub', 'runs', ({ state }) => state === 'running')
    }),
)
