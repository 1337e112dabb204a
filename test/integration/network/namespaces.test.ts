import '../../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { agentNames } from '../../chaos/hub/plan.ts'
import { NamespacePair, whyNoLoss, whyNoNamespaces } from '../../helpers/network-namespaces.ts'
import { shortProfile } from './cases.ts'
import { assertKept, describeReport, inNetwork, type NetworkWorld } from './network-world.ts'

const { options, silenceMs } = shortProfile
const port = 9_000
const reason = whyNoNamespaces()

suite(
  'between machines, nothing is lost, doubled or out of order, in one session',
  {
    concurrency: 2,
    skip: reason ?? false,
  },
  () => {
    test('over a cable that is unplugged for a while', (t) =>
      between(t, async (world, pair) => {
        pair.link('down')
        await world.noticed(...agentNames)
        await sleep(500)
        const sinceMs = performance.now()
        pair.link('up')
        await world.resumed(sinceMs, ...agentNames)
      }))

    test('when the machine gets another address', (t) =>
      between(t, async (world, pair) => {
        const sinceMs = performance.now()
        pair.changeAddress('10.200.1.77')
        // Connections of the old address hear nothing any more, and nobody tells them.
        await world.resumed(sinceMs, ...agentNames)
      }))

    test('when what is sent is swallowed on the way', (t) =>
      between(t, async (world, pair) => {
        pair.blackHole(true)
        await world.noticed(...agentNames)
        await sleep(silenceMs)
        const sinceMs = performance.now()
        pair.blackHole(false)
        await world.resumed(sinceMs, ...agentNames)
      }))

    test('while packets are lost', { skip: whyNoLoss() ?? false }, (t) =>
      between(t, async (world, pair) => {
        const how = pair.losePackets()
        for (let rounds = 0; rounds < 40 && pair.lostPackets() < 20; rounds += 1) {
          await world.traffic(5)
          await sleep(50)
        }
        t.diagnostic(`${pair.lostPackets()} packets were lost ${how}`)
        assert.ok(pair.lostPackets() > 0)
        pair.keepPackets()
        await world.allOnline()
      }),
    )

    test('what a killed run has left behind is removed by the next', () => {
      // No process has this number: it is above what the kernel gives.
      const left = 'perdura-test-999999999-1-hub'
      execFileSync('ip', ['netns', 'add', left])
      new NamespacePair().remove()
      const names = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
      assert.ok(!names.includes(left))
    })
  },
)

async function between(
  t: { diagnostic(text: string): void },
  use: (world: NetworkWorld, pair: NamespacePair) => Promise<void>,
): Promise<void> {
  const pair = new NamespacePair()
  try {
    const report = await inNetwork(placesOf(pair), options, (world) => use(world, pair))
    assertKept(report)
    t.diagnostic(describeReport(report))
  } finally {
    pair.remove()
  }
}

function placesOf(pair: NamespacePair): Parameters<typeof inNetwork>[0] {
  return {
    proxies: new Map(),
    urlOf: () => `http://${pair.hubAddress}:${port}`,
    listen: { host: pair.hubAddress, port },
    hubLauncher: pair.launcher('hub'),
    agentLauncher: pair.launcher('agent'),
  }
}
