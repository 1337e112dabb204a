/** The program behind the `perdura` command: importing it runs it. */
import { exitCodes } from '../exit-codes.ts'
import { dispatch } from './dispatch.ts'
import { forgetProgramEnvironment } from './own-program.ts'

forgetProgramEnvironment()
const exitCode = await dispatch(process.argv.slice(2))
// What a definition left running (a timer, a connection) must not keep a process alive whose agent is closed.
process.stdout.write('', (error) => {
  // Data that could not be written (a full disk) must not look like success to a script.
  const lost: NodeJS.ErrnoException | null | undefined = error ?? process.stdout.errored
  if (lost === null || lost === undefined || lost.code === 'EPIPE' || lost.code === 'EIO')
    process.exit(exitCode)
  process.stderr.write(`perdura: standard output could not be written: ${lost.message}\n`)
  process.exit(exitCode === exitCodes.fine ? exitCodes.failed : exitCode)
})
