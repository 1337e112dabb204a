/** Tells the manager by the descriptor that it was given, and then says what its own children would be given. */
import { createNodeLog } from '../../../src/platform/node/log.ts'
import { takeServiceNotifier } from '../../../src/platform/node/service-notifier.ts'

const notifier = takeServiceNotifier(createNodeLog())
await notifier?.tell({ READY: '1', STATUS: 'as\nwell' })
await notifier?.tell({ WATCHDOG: '1' })
const given = Object.keys(process.env).filter((name) => /^(NOTIFY|WATCHDOG|LISTEN)_/.test(name))
process.stdout.write(JSON.stringify({ watchdogMs: notifier?.watchdogMs, given }))
