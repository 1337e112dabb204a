/*
 * Loaded into an agent's process (`--import`): strikes at the very moment when a stage of its end begins, as its own log says.
 * A stage begins when the one before it has logged its end. What is done is done within that write, so that nothing of the
 * stage has happened yet, and nothing else can come in between.
 */
import fs from 'node:fs'
import { join } from 'node:path'

const { DRAIN_STRIKE: strike, DRAIN_STAGE: stage, DRAIN_HUB_PID: hubPid, DRAIN_HOME: home = '' } = process.env

/** What has ended, by what begins with its end. */
const endedBefore: Readonly<Record<string, string>> = {
  ingress: '"event":"agent:stop:began"',
  turns: '"stage":"ingress"',
  outbox: '"stage":"turns"',
  hub: '"stage":"outbox"',
  state: '"stage":"hub"',
  control: '"stage":"agent"',
}

const released = Promise.withResolvers<void>()
/** What the turns of the agent wait for. */
Object.assign(globalThis, { released: released.promise })

const strikes: Readonly<Record<string, () => void>> = {
  kill: () => process.kill(process.pid, 'SIGKILL'),
  // Another one than the first, which would be taken for its echo.
  second: () => process.kill(process.pid, 'SIGINT'),
  'hub gone': () => process.kill(Number(hubPid), 'SIGKILL'),
  'disk full': () => fillDisk(join(home, 'ballast')),
  // What it waits for has come, and it goes on with its next step.
  step: () => released.resolve(),
}

const writeSync = fs.writeSync
fs.writeSync = ((...given: Parameters<typeof fs.writeSync>) => {
  const text = Buffer.isBuffer(given[1]) || typeof given[1] === 'string' ? given[1].toString() : ''
  try {
    return Reflect.apply(writeSync, fs, given)
  } finally {
    if (text.includes('"agent:stop:')) ended(text)
  }
}) as typeof fs.writeSync

function ended(line: string): void {
  const begins = Object.keys(endedBefore).find((name) => line.includes(endedBefore[name] ?? ''))
  if (begins === stage) strikes[strike ?? '']?.()
  // Whatever else is to happen: turns come to their end, say what they have to say, and there is something to send.
  if (begins === 'turns' && strike !== 'step' && !(stage === 'turns' && strike === 'second'))
    released.resolve()
}

function fillDisk(path: string): void {
  const file = fs.openSync(path, 'w')
  for (let sizeBytes = 1024 * 1024; sizeBytes >= 512;) {
    try {
      Reflect.apply(writeSync, fs, [file, Buffer.alloc(sizeBytes)])
    } catch {
      sizeBytes /= 2
    }
  }
  fs.closeSync(file)
}
