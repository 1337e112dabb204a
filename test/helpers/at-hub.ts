import { until, type CommandLine, type Running } from './command-line.ts'

/** A hub on a free port, ready. */
export async function hubOf(
  cli: CommandLine,
  ...args: readonly string[]
): Promise<{ readonly running: Running; readonly url: string }> {
  const running = cli.start(['hub', 'run', '--port', '0', ...args])
  await running.says(/the hub is ready/)
  return { running, url: `http://127.0.0.1:${cli.hubRecord().addresses[0]?.port}` }
}

/** How the session of an agent stands. */
export async function stateOf(cli: CommandLine, agent: string): Promise<string> {
  return (await cli.json(['session', 'show', agent])).state
}

export function online(cli: CommandLine, agent: string): Promise<void> {
  return until(`${agent} is online`, async () => (await stateOf(cli, agent)) === 'online')
}
