import { join, resolve } from 'node:path'
import { plantCredentials } from '../../credentials/portable-credentials.ts'
import { PerduraError } from '../../errors.ts'
import { createNodeLog } from '../../platform/node/log.ts'
import { createNodePlatform } from '../../platform/node/platform.ts'
import { lockFile } from '../../platform/node/sqlite-file.ts'
import { agentPaths, checkAgentName, listAgents } from '../../runtime/home.ts'
import { writeImportRecord, writeLaunchRecord } from '../../runtime/launch-record.ts'
import type { ExportAbout } from '../../runtime/move/export-agent.ts'
import { importAgent, type ImportTarget } from '../../runtime/move/import-agent.ts'
import { hubAddressList } from '../../session/hub-address.ts'
import { createDatabaseFiles } from '../../store/sqlite/files.ts'
import type { Call } from '../call.ts'
import { readPassphrase } from '../passphrase.ts'

export function run(call: Call): undefined {
  const source = resolve(call.argument(0))
  const passphrase = readPassphrase(call)
  const asked = call.text('hub')
  const hubs = asked === undefined ? [] : hubAddressList(asked).map(({ key }) => key)
  const { disk, random } = createNodePlatform()
  let release = (): void => undefined
  let folder: string | undefined
  let about: ExportAbout
  try {
    about = importAgent({
      source,
      passphrase,
      hubs,
      disk,
      random,
      target: (facts) => {
        const prepared = prepare(call, facts, asked)
        release = prepared.release
        folder = prepared.target.folder
        return prepared.target
      },
    })
  } catch (error) {
    // What is half done holds the agent's key all the same; what stays is removed by the next import.
    if (folder !== undefined) for (const left of disk.list(folder)) disk.remove(join(folder, left))
    throw error
  } finally {
    release()
  }
  tell(call, about, asked)
}

interface Prepared {
  readonly target: ImportTarget
  readonly release: () => void
}

/** The folder that the agent is put together in; what an import that was killed left there goes. */
function prepare(call: Call, about: ExportAbout, hub: string | undefined): Prepared {
  const platform = createNodePlatform()
  const { disk, random } = platform
  const { agent, launch } = about
  checkAgentName(agent)
  const agents = join(call.home, 'agents')
  disk.makeFolder(agents)
  // Two imports at a time would use the same folder.
  const lock = lockFile(join(agents, '.import.lock'), 'the import into this home')
  try {
    const alike = listAgents(disk, call.home).find((other) => other.toLowerCase() === agent.toLowerCase())
    if (alike !== undefined) {
      throw new PerduraError(
        'ERR_AGENT_EXISTS',
        `there is an agent ${alike} in ${call.home} already: import into another home with --home, or move the folder ` +
          `${agentPaths(call.home, alike).folder} away; nothing was changed`,
        { details: { agent: alike } },
      )
    }
    const folder = join(agents, `.importing-${agent}`)
    for (const left of disk.list(folder)) disk.remove(join(folder, left))
    disk.makeFolder(folder)
    const paths = agentPaths(call.home, agent)
    const record = join(folder, 'agent.json')
    return {
      release: () => lock.release(),
      target: {
        folder,
        files: createDatabaseFiles(folder),
        plant: (portable, addresses) => {
          const chest = platform.openKeyChest(call.home, createNodeLog({ level: 'error' }))
          plantCredentials({ disk, random, chest, path: join(folder, 'credentials') }, portable, addresses)
          const at = hub ?? about.hub ?? undefined
          if (launch?.kind === 'reflex') writeLaunchRecord(disk, record, agent, { source: launch, hub: at })
          else writeImportRecord(disk, record, agent, { codePath: launch?.path ?? 'unknown', hub: at })
        },
        commit: () => {
          disk.rename(folder, paths.folder)
          disk.syncFolder(agents)
        },
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

function tell(call: Call, about: ExportAbout, hub: string | undefined): void {
  const { output } = call
  const { agent, launch, open_turns: turns, pending_messages: messages } = about
  const at = hub ?? about.hub
  output.line(`${agent} lives here now: ${turns} turns to go on with, ${messages} messages to send`)
  const what = launch?.kind === 'file' ? './its-code.ts' : agent
  const where = at === null ? '' : ` --hub ${at}`
  output.note(`start it:  ${call.hint(`perdura start ${what}${where}`)}`)
  if (launch?.kind === 'file') output.note(`its code was ${launch.path}, and does not come with the export`)
  if (at !== null) {
    output.note(
      'its first start takes the session over: whatever was left behind is refused by the hub from then on',
    )
  }
  output.document({ ...about, hub: at, imported: true })
}
