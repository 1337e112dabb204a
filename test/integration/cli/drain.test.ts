import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { Members } from '../../chaos/soak/members.ts'
import { hubOf } from '../../helpers/at-hub.ts'
import {
  until,
  withCommandLine,
  type CommandLine,
  type Ended,
  type Running,
} from '../../helpers/command-line.ts'
import { writeAgent } from '../../helpers/failing-agents.ts'
import { leftoversOf } from '../../helpers/home-processes.ts'
import '../../helpers/leaks.ts'

/*
 * Everything that can go wrong, in every stage of an agent's end. Ada has a turn under way when she is told to stop; it ends
 * in the stage for that, and what it says to Bo is to be sent. At the beginning of one stage something happens. Then she is
 * started again, finds what was left, and is told to stop again, with the next stage. In the end each turn has taken effect
 * once, Bo has each message once, and each answer of his has come to her once.
 */

const stages = ['ingress', 'turns', 'outbox', 'hub', 'state', 'control'] as const
type Stage = (typeof stages)[number]

interface Attack {
  readonly what: string
  /** How the process may end; undefined by SIGKILL. */
  readonly codes: (stage: Stage) => readonly (number | null)[]
  /** What the next start finds, after this exit code. */
  readonly previous: (stage: Stage, code: number | null) => 'clean' | 'killed' | 'either'
  /** Why the hub says that she is away; undefined where it cannot know. */
  readonly left: ((stage: Stage) => RegExp) | undefined
  /** What becomes of a step that her turn begins in this stage. */
  readonly step?: (stage: Stage) => 'taken' | 'refused'
}

/** The last state is saved in `state`. */
const saved = (stage: Stage): boolean => stage === 'control'
/** The connection is closed in `hub`. */
const away = (stage: Stage): boolean => stage === 'state' || stage === 'control'

const attacks: readonly Attack[] = [
  {
    what: 'kill',
    codes: () => [null],
    previous: (stage) => (saved(stage) ? 'clean' : 'killed'),
    left: (stage) => (away(stage) ? /^the agent stops$/ : /./),
  },
  {
    what: 'second',
    codes: (stage) => (saved(stage) ? [0, 1] : [1]),
    previous: () => 'clean',
    left: () => /^the agent stops$/,
  },
  { what: 'hub gone', codes: () => [0], previous: () => 'clean', left: undefined },
  {
    what: 'disk full',
    // A commit that fails half-way is a crash; one for which there was room already is none.
    codes: (stage) => (saved(stage) ? [0] : [70, 0]),
    // The commit that says that the end is clean may be the one that fails after it is in the journal, which is what counts.
    previous: (stage, code) => (code === 0 ? 'clean' : stage === 'state' ? 'either' : 'killed'),
    left: () => /./,
  },
  {
    what: 'step',
    codes: () => [0],
    previous: () => 'clean',
    left: () => /^the agent stops$/,
    step: (stage) => (stage === 'ingress' || stage === 'turns' ? 'taken' : 'refused'),
  },
]

const striker = new URL('../../helpers/drain-striker.ts', import.meta.url).href
const isRoot = process.platform === 'linux' && process.getuid?.() === 0

const ada = {
  handlers: `state: {
    version: 1,
    initial: { done: 0, answers: 0 },
    schema: { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } },
  },
  async onMessage({ text }, ctx) {
    if (text.startsWith('answer ')) {
      note('came ' + text)
      ctx.update((state) => { state.answers += 1 })
      return
    }
    await ctx.step('begun', () => note('begun ' + text))
    if (ctx.turn.attempt === 1) await globalThis.released
    try {
      await ctx.step('late', () => note('late ' + text))
    } catch (error) {
      note('refused ' + text + ' ' + error.code)
      throw error
    }
    ctx.update((state) => { state.done += 1 })
    await ctx.send('Bo', text)
  }`,
}
const bo = {
  handlers: `async onMessage({ text }, ctx) {
    note('bo has ' + text)
    await ctx.send('Ada', 'answer ' + text)
  }`,
}

/** One agent under one attack, in one stage after the other. */
class Drained {
  readonly #cli: CommandLine
  readonly #attack: Attack
  readonly #members: Members
  readonly home: string
  readonly codes: (number | null)[] = []
  #hub: { readonly running: Running; readonly url: string } | undefined

  constructor(cli: CommandLine, attack: Attack) {
    this.#cli = cli
    this.#attack = attack
    // Apart from the hub's and Bo's, since a disk that is full is hers alone.
    this.home = join(cli.folder, 'of-ada')
    mkdirSync(this.home, { mode: 0o700 })
    this.#members = new Members(this.home)
  }

  async open(): Promise<void> {
    writeAgent(this.#cli, 'Ada', ada)
    const file = writeAgent(this.#cli, 'Bo', bo)
    await this.startHub()
    const running = this.#cli.start(['run', file, '--port', '0', '--hub', this.#hub?.url ?? ''])
    await running.says(/Bo is ready/)
  }

  async startHub(): Promise<void> {
    const port = this.#hub === undefined ? [] : ['--port', new URL(this.#hub.url).port]
    this.#hub = await hubOf(this.#cli, ...port)
  }

  /** Returns once she is ready and at the hub. */
  async start(stage: Stage | undefined): Promise<Running> {
    const strike =
      stage === undefined
        ? {}
        : {
            NODE_OPTIONS: `--import ${striker}`,
            DRAIN_STRIKE: this.#attack.what,
            DRAIN_STAGE: stage,
            DRAIN_HOME: this.home,
            DRAIN_HUB_PID: String(this.#hub?.running.child.pid),
          }
    const args = ['run', './ada.mjs', '--port', '0', '--hub', this.#hub?.url ?? '', '--drain', '1s']
    const running = this.#cli.start(args, { home: this.home, environment: strike })
    await running.says(/Ada is ready/)
    await until('she is online', async () => (await this.#members.agent('Ada'))?.session === 'online')
    return running
  }

  /** Gives her a turn, and tells her to stop while it runs. */
  async strike(stage: Stage): Promise<void> {
    const running = await this.start(stage)
    const response = await fetch(this.#members.ingressOf('Ada') ?? '', {
      method: 'POST',
      headers: { 'content-type': 'text/plain', 'idempotency-key': stage },
      body: stage,
    })
    assert.equal(response.status, 202)
    await until('her turn runs', () => this.count(`begun ${stage}`) === 1)
    running.kill('SIGTERM')
    const ended = await running.ended
    if (this.#attack.what === 'disk full') rmSync(join(this.home, 'ballast'))
    if (this.#attack.what === 'hub gone') {
      await this.#hub?.running.ended
      await this.startHub()
    }
    await this.#check(stage, ended)
  }

  async #check(stage: Stage, { code, stderr }: Ended): Promise<void> {
    const { codes, left, step } = this.#attack
    this.codes.push(code)
    assert.ok(codes(stage).includes(code), `${stage}: exit code ${code}\n${stderr}`)
    if (left !== undefined) await this.#untilLeft(left(stage))
    if (step !== undefined) {
      const refused = this.count(`refused ${stage} ERR_TURN_ENDED`)
      assert.deepEqual(
        [this.count(`late ${stage}`), refused],
        step(stage) === 'taken' ? [1, 0] : [0, 1],
        stage,
      )
    }
  }

  async #untilLeft(reason: RegExp): Promise<void> {
    await until(
      'the hub knows that she is away',
      () => reason.test(this.#leftReason),
      () => this.#leftReason,
    )
  }

  /** As `hub agents` shows it; empty while she is there. */
  get #leftReason(): string {
    const database = new DatabaseSync(join(this.#cli.home, 'hub', 'hub.db'), { readOnly: true })
    try {
      const row = database
        .prepare("SELECT left_reason FROM holders JOIN profiles ON profiles.id = ai_id WHERE name = 'Ada'")
        .get()
      return typeof row?.['left_reason'] === 'string' ? row['left_reason'] : ''
    } finally {
      database.close()
    }
  }

  count(text: string): number {
    return this.outside.filter((line) => line === text).length
  }

  get outside(): string[] {
    return readFileSync(join(this.#cli.folder, 'outside'), { encoding: 'utf8', flag: 'a+' }).split('\n')
  }

  /** What each start has found, in the words of its log; on a full disk the log has holes. */
  get found(): string[] {
    const text = readFileSync(join(this.home, 'agents', 'Ada', 'agent.log'), 'utf8')
    return text
      .split('\n')
      .filter((line) => line.includes('"agent:start:ready"'))
      .map((line) => (JSON.parse(line) as { previous: string }).previous)
  }
}

describe(
  'whatever happens in whichever stage of its end, an agent loses nothing and does nothing twice',
  { concurrency: true, timeout: 180_000 },
  () => {
    for (const attack of attacks) {
      const skip = attack.what === 'disk full' && !isRoot ? 'needs root for a disk of its own' : false
      test(attack.what, { skip }, () =>
        withCommandLine(async (cli) => {
          const drained = new Drained(cli, attack)
          const ownDisk = attack.what === 'disk full' && mount(drained.home)
          try {
            await drained.open()
            for (const stage of stages) await drained.strike(stage)
            const last = await drained.start(undefined)
            const whole = (): boolean =>
              stages.every(
                (stage) => drained.count(`bo has ${stage}`) > 0 && drained.count(`came answer ${stage}`) > 0,
              )
            await until('all is done', whole, () => drained.outside.join('\n'))
            last.kill('SIGTERM')
            const { code, stderr } = await last.ended
            assert.equal(code, 0, stderr)

            for (const stage of stages) {
              for (const once of [`begun ${stage}`, `bo has ${stage}`, `came answer ${stage}`])
                assert.equal(drained.count(once), 1, `${once}\n${drained.outside.join('\n')}`)
            }
            const options = { home: drained.home }
            const json = async (...args: string[]): Promise<unknown> =>
              JSON.parse((await cli.run([...args, '--json'], options)).stdout)
            const { state } = (await json('state', 'show', 'Ada')) as { state: object }
            assert.deepEqual(state, { done: stages.length, answers: stages.length })
            const { inbox, outbox } = (await json('status', 'Ada')) as { inbox: Counts; outbox: Counts }
            assert.deepEqual(
              [inbox['pending'], inbox['running'], inbox['parked'], inbox['dead'], outbox['pending']],
              [0, 0, 0, 0, 0],
            )
            const found = drained.found.slice(1)
            assert.equal(found.length, stages.length)
            for (const [at, stage] of stages.entries()) {
              const expected = attack.previous(stage, drained.codes[at] ?? null)
              if (expected !== 'either') assert.equal(found[at], expected, `after ${stage}`)
            }
            assert.deepEqual(leftoversOf(drained.home), [])
          } finally {
            if (ownDisk) spawnSync('umount', ['--lazy', drained.home])
          }
        }),
      )
    }
  },
)

type Counts = Readonly<Record<string, number>>

function mount(path: string): boolean {
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=0700', 'tmpfs', path])
  assert.equal(status, 0, stderr.toString())
  return true
}
