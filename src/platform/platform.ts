import type { BootClock } from './boot-clock.ts'
import type { Clock } from './clock.ts'
import type { Disk } from './disk.ts'
import type { Http, HttpListener } from './http.ts'
import type { NetworkWatch } from './network-watch.ts'
import type { KeyChest } from './key-chest.ts'
import type { Locks } from './locks.ts'
import type { Log } from './log.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'
import type { Sensors } from './sensors.ts'
import type { Transport } from './transport.ts'

/** Everything outside that Perdura touches; the real ones are in `platform/node`, the simulated ones in `testing`. */
export interface Platform {
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly process: Process
  readonly http: Http
  readonly listener: HttpListener
  readonly transport: Transport
  readonly network: NetworkWatch
  readonly locks: Locks
  readonly boot: BootClock
  /** The storage key of a home; what it repairs is logged. */
  openKeyChest(home: string, log: Log): KeyChest
  /** What watches this process, until it is closed. */
  openSensors(): Sensors
}
