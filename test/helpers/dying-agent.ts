/**
 * An agent that is killed at a chosen moment of an effect, once: `dying-agent.ts <home> <payload as JSON>…` opens it
 * and takes the payloads in. What it does outside goes to a file that Perdura knows nothing of.
 */
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineAgent, openAgent, type AgentDefinition, type EffectOptions } from '../../src/index.ts'
import { isJsonObject } from '../../src/json.ts'

export type Policy = 'verify' | 'idempotent' | 'unkeyed'
export type Moment = 'before' | 'during' | 'after'

/** The keys under which something was done outside, in order. */
export function doneOutside(home: string): string[] {
  const file = path.join(home, 'outside.log')
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
}

export function dyingAgent(home: string): AgentDefinition {
  return defineAgent({
    name: 'Ada',
    limits: { crashesMax: 2, retryDelayMs: 1 },
    async onMessage({ payload }, ctx) {
      if (!isJsonObject(payload)) return
      const { policy, moment, poison } = payload
      if (poison === true) process.exit(1)
      if (policy === undefined) return
      const marker = path.join(home, 'died')
      const die = (at: Moment): boolean => {
        if (at !== moment || fs.existsSync(marker)) return false
        fs.writeFileSync(marker, '')
        process.kill(process.pid, 'SIGKILL')
        return true
      }
      const effect: EffectOptions<string> = {
        async run({ key }) {
          if (die('before')) await new Promise(() => undefined)
          fs.appendFileSync(path.join(home, 'outside.log'), `${key}\n`)
          if (die('during')) await new Promise(() => undefined)
          // Runs when the result is on its way to the ledger and not yet there: a commit takes a turn of the event loop.
          process.nextTick(() => die('after'))
          return key
        },
        ...(policy === 'verify' && {
          verify: ({ key }) => (doneOutside(home).includes(key) ? key : undefined),
        }),
        ...(policy === 'idempotent' && { idempotent: true }),
      }
      const key = await ctx.effect('outside', effect)
      await ctx.reply(key)
    },
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [home = '', ...payloads] = process.argv.slice(2)
  const agent = await openAgent(dyingAgent(home), { home })
  agent.on('turn:done', ({ turn }) => process.stdout.write(`done ${turn}\n`))
  agent.on('turn:dead', ({ turn, reason }) => process.stdout.write(`dead ${turn} ${reason}\n`))
  agent.on('turn:parked', ({ turn }) => process.stdout.write(`parked ${turn}\n`))
  for (const [index, payload] of payloads.entries()) {
    await agent.ingest({ id: `p${index}`, payload: JSON.parse(payload), conversation: `c${index}` })
  }
  process.stdout.write('open\n')
}
