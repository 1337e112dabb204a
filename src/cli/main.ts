/** The program behind the `perdura` command: importing it runs it. */
import { dispatch } from './dispatch.ts'

process.exitCode = await dispatch(process.argv.slice(2))
