import { plantCredentials } from '../../../src/credentials/portable-credentials.ts'
import { CredentialFile } from '../../../src/credentials/credential-file.ts'
import { hubParts } from '../../../src/hub/parts.ts'
import type { HubTx } from '../../../src/hub/storage.ts'
import type { Connection, Transport } from '../../../src/platform/transport.ts'
import { exportAgent } from '../../../src/runtime/move/export-agent.ts'
import type { Disk } from '../../../src/platform/disk.ts'
import type { WireMutant } from './wire-mutants.ts'

const noOwner = { pauses: 0, purges: 0, retries: 0 } as const
const often = {
  ...noOwner,
  handovers: 0,
  moves: 2,
  clones: 0,
  agentRestores: 0,
  hubRestores: 0,
  fullRate: 0,
} as const

/** Handovers and migrations with one part replaced by a broken one. */
export const moveMutants: readonly WireMutant[] = [
  {
    name: 'an export that copies the database before the agent has stopped, and the credentials after',
    caughtBy: ['moved-whole'],
    mishaps: { ...often, journal: false },
    swaps: () => ({
      move: {
        exportAgent: (options, before) =>
          exportAgent({
            ...options,
            files: { ...options.files, copyTo: async (path) => writeFile(options.disk, path, before) },
          }),
      },
    }),
  },
  {
    name: 'an import that takes over nothing',
    caughtBy: ['moved-for-good'],
    mishaps: often,
    swaps: () => ({
      move: {
        plantCredentials(options, portable, addresses) {
          plantCredentials(options, portable, addresses)
          const locks = { tryLock: () => undefined, lock: () => ({ release: () => undefined }) }
          new CredentialFile({ ...options, locks }).forgetTakeovers()
        },
      },
    }),
  },
  {
    name: 'an export that leaves the right to take over where it was',
    caughtBy: ['moved-for-good'],
    // It takes an agent that is moved on before it has been at its hub.
    mishaps: { ...often, moves: 4, agentDeaths: 6, boundaryMax: 100 },
    swaps: () => ({
      move: {
        exportAgent: (options) => {
          const credentials = options.credentials()
          return exportAgent({
            ...options,
            credentials: () =>
              ({
                portable: () => credentials.portable(),
                forgetTakeovers: () => undefined,
              }) as CredentialFile,
          })
        },
      },
    }),
  },
  {
    name: 'a release after which the old process goes on acting',
    caughtBy: ['fenced-changes-nothing'],
    mishaps: { ...noOwner, handovers: 6, moves: 0 },
    swaps: () => ({
      transport: lateAfterRelease,
      hub: {
        async publishInOrder(tx, limits, sender, place, publication, context) {
          const actor = (await hasLetGo(tx, sender.aiId)) ? { ...sender, generation: undefined } : sender
          return hubParts.publishInOrder(tx, limits, actor, place, publication, context)
        },
      },
    }),
  },
]

async function hasLetGo(tx: HubTx, aiId: number): Promise<boolean> {
  const row = await tx.get<{ standing: string }>('SELECT standing FROM holders WHERE ai_id = ?', aiId)
  return row?.standing === 'released'
}

/** What was published last before a release comes right after it. */
function lateAfterRelease(transport: Transport): Transport {
  return {
    connect(url, options, sink) {
      const connection = transport.connect(url, options, sink)
      return holdingBack(connection)
    },
  }
}

function holdingBack(connection: Connection): Connection {
  let held: string[] = []
  const flush = (): void => {
    for (const frame of held) connection.send(frame)
    held = []
  }
  return {
    get bufferedBytes() {
      return connection.bufferedBytes
    },
    send(frame) {
      if (frame.startsWith('{"type":"publish"')) {
        // One is kept until there is another: as slow as a process that is busy with something else.
        if (held.length > 0) flush()
        held.push(frame)
        return
      }
      if (frame.startsWith('{"type":"release"')) {
        connection.send(frame)
        return flush()
      }
      if (frame.startsWith('{"type":"pong"')) flush()
      connection.send(frame)
    },
    ping: () => connection.ping(),
    close: (code, reason) => connection.close(code, reason),
    terminate: () => connection.terminate(),
  }
}

function writeFile(disk: Disk, path: string, bytes: Uint8Array): void {
  if (disk.exists(path)) disk.remove(path)
  disk.prepareZerosNow(path, bytes.length)
  const file = disk.open(path)
  try {
    file.write(0, bytes)
  } finally {
    file.close()
  }
}
