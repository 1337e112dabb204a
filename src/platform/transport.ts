/** One WebSocket's life, seen from either of its two sides. */
export interface Connection {
  /** Bytes accepted by `send` and not yet handed to the network. */
  readonly bufferedBytes: number
  /** To be called once open; what is sent while the connection closes is lost with it. */
  send(frame: string): void
  /** A ping of the protocol itself (RFC 6455 5.5.2), for peers that know no other; answered at `onPong`. */
  ping(): void
  /** Starts the closing handshake; `onClose` follows. */
  close(code: number, reason: string): void
  /** Drops the connection without a handshake. */
  terminate(): void
}

export interface ConnectionSink {
  onOpen(): void
  onFrame(frame: string): void
  onPong?(): void
  /**
   * Called exactly once and last, also when the connection was never open; never from within a call of
   * `Transport` or `Connection`.
   */
  onClose(close: ConnectionClose): void
}

export interface ConnectionClose {
  /** 1006 where no close frame came (RFC 6455). */
  readonly code: number
  readonly reason: string
  /** Where the server refused the upgrade: the HTTP status. */
  readonly status?: number
  /** Where it said when to come back (`retryAfterMs` of `retry-after.ts`). */
  readonly retryAfterMs?: number
}

export interface Transport {
  /** Does ahead of need what takes time of the first `connect` and is no I/O; to be called while something is waited for. */
  prepare?(): void
  /** Opens a connection; everything that happens on it, failure to open included, is told to the sink. */
  connect(
    url: string,
    options: { readonly headers: Readonly<Record<string, string>>; readonly frameBytesMax: number },
    sink: ConnectionSink,
  ): Connection
}

/** What a server gets to know of who wants a WebSocket. */
export interface Upgrade {
  /** Path and query, starting with `/`. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** The IP address of the peer; empty on a Unix socket. */
  readonly remoteAddress: string
}

/** The answer to an upgrade that is not wanted. Header names are in lower case. */
export interface Refusal {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Accepts a connection by returning a sink, whose `onOpen` is called next; refuses it with an HTTP status. Binary
 * frames close with 1003, those over the listener's `frameBytesMax` with 1009, before they reach the sink.
 */
export type AcceptConnection = (upgrade: Upgrade, connection: Connection) => ConnectionSink | Refusal
