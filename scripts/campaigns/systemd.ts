import { toError } from '../../src/errors.ts'
import type { ServiceScope } from '../../src/daemon/service/spec.ts'
import type { Campaign } from './campaign.ts'
import { serviceCases } from './systemd/cases.ts'
import { BootedContainer, whyNotHere } from './systemd/container.ts'
import { Machine, places, type Place } from './systemd/machine.ts'

/** Debian's stable release, and the one before: a systemd of 2025 and one of 2022. */
const suites = ['trixie', 'bookworm'] as const

interface Outcome {
  readonly name: string
  readonly tookMs: number | undefined
  readonly failure: string | undefined
}

interface Report {
  readonly machine: string
  readonly scope: ServiceScope
  readonly exposure: string
  readonly outcomes: readonly Outcome[]
}

/** The service under a real systemd, booted in a container: of the machine and of a person, on two generations of systemd. */
export const campaign: Campaign = async (say) => {
  const why = whyNotHere()
  if (why !== undefined) return { document: {}, header: [], rows: [], failures: [], skipped: why }
  const reports: Report[] = []
  for (const suite of suites) for (const place of places) reports.push(await inMachine(suite, place, say))
  return {
    document: { machines: reports },
    header: ['what happens', ...reports.map(({ machine }) => machine)],
    rows: [
      ...serviceCases.map(({ name, only }) => [
        name,
        ...reports.map(({ scope, outcomes }) =>
          isAsked(only, scope) ? cell(outcomes.find((outcome) => outcome.name === name)) : '–',
        ),
      ]),
      ['systemd-analyze security', ...reports.map(({ exposure }) => exposure)],
    ],
    failures: reports.flatMap(({ machine, outcomes }) =>
      outcomes.flatMap(({ name, failure }) =>
        failure === undefined ? [] : [`${machine}: ${name}: ${failure}`],
      ),
    ),
  }
}

async function inMachine(suite: string, place: Place, say: (line: string) => void): Promise<Report> {
  say(`… a Debian ${suite}`)
  const container = BootedContainer.make(suite)
  try {
    Machine.furnish(container.root)
    await container.boot()
    const machine = new Machine(container, place)
    const version = /^systemd (\d+)/.exec(container.run('systemctl', '--version').stdout)?.[1] ?? '?'
    const title = `systemd ${version}, ${place.scope === 'system' ? 'of the machine' : 'of a person'}`
    const outcomes: Outcome[] = []
    let exposure = ''
    for (const { name, only, run } of serviceCases) {
      if (!isAsked(only, place.scope)) continue
      const outcome = await attempt(name, () => run(machine))
      outcomes.push(outcome)
      say(`${outcome.failure === undefined ? '✔' : '✖'} ${title}: ${name}`)
      if (exposure === '') exposure = exposureOf(machine)
      if (outcome.failure === undefined) continue
      // What comes after it would only fail for what has failed here.
      say(`${outcome.failure}\n${machine.journal()}`)
      break
    }
    return { machine: title, scope: place.scope, exposure, outcomes }
  } finally {
    await container.remove()
  }
}

function isAsked(only: ServiceScope | undefined, scope: ServiceScope): boolean {
  return only === undefined || only === scope
}

async function attempt(name: string, run: () => Promise<number | undefined>): Promise<Outcome> {
  try {
    return { name, tookMs: await run(), failure: undefined }
  } catch (thrown) {
    return { name, tookMs: undefined, failure: toError(thrown).message }
  }
}

/** From 0, confined in all that systemd knows, to 10; only of services of the machine. */
function exposureOf(machine: Machine): string {
  if (machine.place.scope === 'user') return '–'
  const { stdout } =
    machine.systemctl('--version').code === 0
      ? machine.container.run('systemd-analyze', 'security', 'perdura.service', '--no-pager')
      : { stdout: '' }
  return /exposure level for perdura\.service: ([\d.]+)/.exec(stdout)?.[1] ?? '?'
}

function cell(outcome: Outcome | undefined): string {
  if (outcome === undefined) return 'not reached'
  if (outcome.failure !== undefined) return 'failed'
  return outcome.tookMs === undefined ? 'yes' : `${(outcome.tookMs / 1_000).toFixed(1)} s`
}
