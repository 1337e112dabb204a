import { toError } from '../../../src/errors.ts'
import { isDeath } from '../../../src/testing/death.ts'
import { SimulatedProcess } from '../../../src/testing/index.ts'
import type { AgentMachine } from './machines.ts'

/** Somebody runs a command on a machine; false where that was killed, or did not succeed. */
export async function runCommand(
  machine: AgentMachine,
  name: string,
  act: (process: SimulatedProcess, platform: ReturnType<AgentMachine['platform']>) => Promise<void>,
): Promise<boolean> {
  const { around, host } = machine
  machine.starts += 1
  const process = new SimulatedProcess({ pid: 500 + machine.starts, name: `${host} ${name}` })
  around.network.place(process, host)
  machine.process = process
  machine.agent = undefined
  machine.session = 'none'
  const died = new Promise<boolean>((resolve) => process.onDeath(() => resolve(false)))
  const acted = act(process, machine.platform(process)).then(
    () => true,
    (error: unknown) => {
      if (!isDeath(error)) around.trace.add(`${process.name} failed: ${toError(error).message}`)
      return false
    },
  )
  const done = await Promise.race([acted, died])
  machine.aim(undefined)
  if (process.alive) process.kill('has ended')
  return done
}
