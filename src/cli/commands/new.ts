import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { PerduraError } from '../../errors.ts'
import { checkAgentName } from '../../runtime/home.ts'
import type { Call } from '../call.ts'

export function run(call: Call): undefined {
  const name = call.argument(0)
  checkAgentName(name)
  const folder = resolve(call.text('dir') ?? '.')
  const path = join(folder, `${name.toLowerCase()}.ts`)
  try {
    mkdirSync(folder, { recursive: true })
  } catch (cause) {
    throw unwritten(folder, cause)
  }
  try {
    // Only where there is nothing: an agent that somebody wrote is not to be lost to a second `new`.
    writeFileSync(path, template(name), { flag: 'wx' })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new PerduraError('ERR_FILE_EXISTS', `${path} exists already: choose another name or --dir`, {
        cause,
      })
    }
    throw unwritten(path, cause)
  }
  const shown = relative(process.cwd(), path)
  const argument = shown.startsWith('..') ? path : `./${shown}`
  call.output.line(path)
  call.output.note(`run it with:      ${call.program} up ${argument}`)
  call.output.note(`then talk to it:  ${call.program} send ${name} "hello" --wait`)
  call.output.document({ agent: name, path })
}

function unwritten(path: string, cause: unknown): PerduraError {
  const { code } = cause as NodeJS.ErrnoException
  return new PerduraError(
    'ERR_FILE_WRITE',
    `cannot write ${path} (${code}): choose another folder with --dir`,
    {
      cause,
      details: { path },
    },
  )
}

function template(name: string): string {
  return `// ${name}: an agent that Perdura keeps alive. Run it with: perdura up ./${name.toLowerCase()}.ts
import { defineAgent } from 'perdura'
import { z } from 'zod'

export default defineAgent({
  name: '${name}',

  // What it must not forget, whatever is killed. Raise the version when you change the shape.
  state: {
    version: 1,
    schema: z.object({ greeted: z.record(z.string(), z.number()).default({}) }),
  },

  // Called once for each message. If the process dies in the middle, it is called again, with what was recorded.
  async onMessage(message, ctx) {
    // A step runs until its result is recorded, and never after: for what is slow, costs, or differs each time.
    const dice = await ctx.step('throw dice', () => 1 + Math.floor(Math.random() * 6))

    // Changes of the state are applied when the turn ends, all or none.
    const count = (ctx.state.greeted[message.from] ?? 0) + 1
    ctx.update((state) => {
      state.greeted[message.from] = count
    })

    // Replies leave when the turn has ended, once.
    await ctx.reply(\`Hello \${message.from}, message \${count} of yours: "\${message.text}". I threw a \${dice}.\`)

    // An appointment is kept after a restart too.
    if (message.text.includes('remind')) await ctx.schedule('10s', { to: message.from })
  },

  // Called when an appointment is due; late, if the agent was not running then.
  async onTimer(timer, ctx) {
    await ctx.send(timer.payload.to, 'You wanted to be reminded.')
  },
})
`
}
