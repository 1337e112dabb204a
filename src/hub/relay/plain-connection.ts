import type { Connection, ConnectionSink } from '../../platform/transport.ts'
import { closeCodes } from '../../protocol/close-codes.ts'
import type { Relay } from './relay.ts'
import type { StreamName } from './upgrade.ts'

/** A socket of a plain v1 client. */
export class PlainConnection implements ConnectionSink {
  readonly #connection: Connection

  constructor(_relay: Relay, connection: Connection, _token: string, _stream: StreamName) {
    this.#connection = connection
  }

  onOpen(): void {
    this.#connection.close(closeCodes.unsupported, 'not yet')
  }

  onFrame(): void {}

  onClose(): void {}
}
