/** The program behind the `perdura` command: importing it runs it. */
import { dispatch } from './dispatch.ts'

const exitCode = await dispatch(process.argv.slice(2))
// What a definition left running (a timer, a connection) must not keep a process alive whose agent is closed.
process.stdout.write('', () => process.exit(exitCode))
