import { testDiskBehaviour } from '../../helpers/disk-behaviour.ts'
import { createSimulation } from '../../helpers/simulated-machine.ts'

testDiskBehaviour(async (run) => {
  const { disk, clock, boot } = createSimulation('behaviour')
  const process = boot()
  const port = disk.for(process)
  port.makeFolder('/home/agent')
  await run({ disk: port, folder: '/home/agent', settle: (promise) => clock.settle(promise) })
})
