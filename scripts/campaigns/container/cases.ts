import assert from 'node:assert/strict'
import fs from 'node:fs'
import type { Ended } from '../containers.ts'
import type { Container } from './container.ts'

/** One thing that a container must bear; resolves to how long that took, ms, where it is of interest. */
export interface ContainerCase {
  readonly name: string
  readonly run: (container: Container) => Promise<number | undefined>
}

/** The code of the agent of the cases: it answers, counts, and leaves an orphan behind where it is asked to. */
export const agents = {
  'cy.ts': `import { spawn } from 'node:child_process'
import { defineAgent } from 'perdura'
import { z } from 'zod'
export default defineAgent({
  name: 'Cy',
  state: { version: 1, schema: z.object({ heard: z.number().default(0) }) },
  onMessage: async (message, ctx) => {
    if (message.text === 'orphan')
      for (let i = 0; i < 20; i += 1) spawn('sh', ['-c', 'sleep 0.3 & :'], { stdio: 'ignore', detached: true })
    ctx.update((state) => { state.heard += 1 })
    await ctx.reply(\`heard \${ctx.state.heard + 1}\`)
  },
})
`,
}

export const containerCases: readonly ContainerCase[] = [
  {
    name: 'its command is process 1, without privileges, on a root that cannot be written; healthy when the daemon answers',
    async run(container) {
      container.start()
      const tookMs = await container.until('it is healthy', () => container.health() === 0)
      const status = done(container.run(['cat', '/proc/1/status'])).stdout
      assert.match(status, /^Name:\s+tini$/m)
      assert.match(status, /^Uid:\s+1000\s+1000\s+1000\s+1000$/m)
      assert.match(status, /^CapEff:\s+0+$/m)
      assert.match(status, /^CapBnd:\s+0+$/m)
      assert.match(status, /^NoNewPrivs:\s+1$/m)
      assert.match(container.run(['touch', '/opt/x']).stderr, /Read-only file system/)
      return tookMs
    },
  },
  {
    name: 'agents and a hub are started in it, and answer',
    async run(container) {
      done(container.perdura('start', '/agents/cy.ts'))
      done(container.perdura('start', '--all'))
      done(container.perdura('hub', 'start'))
      assert.equal(heard(container), 1)
      return undefined
    },
  },
  {
    name: 'without its hub it is healthy: the daemon is there, and looks after it',
    async run(container) {
      const { pid } = JSON.parse(fs.readFileSync(container.file('hub', 'hub.pid'), 'utf8')) as { pid: number }
      done(container.run(['kill', '-KILL', String(pid)]))
      assert.equal(container.health(), 0)
      await container.until('the hub is back', () => container.perdura('hub', 'status').code === 0)
      done(container.perdura('hub', 'stop'))
      assert.equal(container.health(), 0)
      done(container.perdura('hub', 'start'))
      return undefined
    },
  },
  {
    name: 'with a daemon that hangs it is not healthy, and is again when that goes on',
    async run(container) {
      const daemon = String(daemonOf(container))
      done(container.run(['kill', '-STOP', daemon]))
      const startedMs = performance.now()
      assert.equal(container.health(), 1)
      const tookMs = performance.now() - startedMs
      done(container.run(['kill', '-CONT', daemon]))
      await container.until('it is healthy', () => container.health() === 0)
      return tookMs
    },
  },
  {
    name: 'orphans, and agents that were killed, leave no dead processes behind',
    async run(container) {
      done(container.perdura('send', 'Cy', 'orphan', '--wait'))
      for (let kills = 0; kills < 3; kills += 1) {
        const before = pidOf(container, 'Cy')
        done(container.run(['kill', '-KILL', String(before)]))
        await container.until('Cy runs again', () => ![undefined, before].includes(pidOf(container, 'Cy')))
      }
      // Those of whom nobody in the container is the parent.
      done(container.run(['sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.2 &) ; done']))
      await container.until('all sleepers are gone', () =>
        container.processes().every(({ args, state }) => !args.includes('sleep') && !state.startsWith('Z')),
      )
      assert.equal(heard(container), 3)
      return undefined
    },
  },
  {
    name: 'SIGTERM to process 1: all stop in good order, exit code 0',
    async run(container) {
      const { code, tookMs } = await container.signal('SIGTERM')
      assert.equal(code, 0)
      assert.ok(tookMs < container.recipe.stopSeconds * 1_000, `took ${tookMs} ms`)
      for (const record of [
        ['daemon', 'daemon.pid'],
        ['agents', 'Cy', 'agent.pid'],
        ['hub', 'hub.pid'],
      ])
        assert.equal(fs.existsSync(container.file(...record)), false, record.join('/'))
      const log = fs.readFileSync(container.file('daemon', 'daemon.log'), 'utf8')
      assert.match(log, /daemon:stop:done/)
      return tookMs
    },
  },
  {
    name: 'the next one with this volume runs what ran',
    async run(container) {
      container.start()
      const tookMs = await container.until('Cy runs', () => pidOf(container, 'Cy') !== undefined)
      assert.equal(heard(container), 4)
      assert.equal(container.health(), 0)
      return tookMs
    },
  },
  {
    name: 'SIGKILL to process 1: the next one runs what ran, and is not misled by what is left in the volume',
    async run(container) {
      await container.signal('SIGKILL')
      // The record of a daemon that is dead, whose number may be that of anybody in the next one.
      assert.equal(fs.existsSync(container.file('daemon', 'daemon.pid')), true)
      container.start()
      const tookMs = await container.until('Cy runs', () => pidOf(container, 'Cy') !== undefined)
      assert.equal(heard(container), 5)
      assert.equal(container.health(), 0)
      assert.equal((await container.signal('SIGTERM')).code, 0)
      return tookMs
    },
  },
]

function daemonOf(container: Container): number {
  return (JSON.parse(done(container.perdura('daemon', 'status', '--json')).stdout) as { pid: number }).pid
}

/** Of an agent that is ready, as the daemon has it. */
function pidOf(container: Container, name: string): number | undefined {
  const { code, stdout } = container.perdura('status', name, '--json')
  if (code !== 0) return undefined
  const { process } = JSON.parse(stdout) as { process?: { pid?: number } | null }
  return process?.pid
}

/** How many messages the agent has had, with this one. */
function heard(container: Container): number {
  const { stdout } = done(container.perdura('send', 'Cy', 'hello', '--wait'))
  return Number(/heard (\d+)/.exec(stdout)?.[1])
}

function done(ended: Ended): Ended {
  assert.equal(ended.code, 0, `${ended.stderr}${ended.stdout}`)
  return ended
}
