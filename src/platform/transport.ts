/** One WebSocket's life, seen from the side that opened it. */
export interface Connection {
  /** Bytes accepted by `send` and not yet handed to the network. */
  readonly bufferedBytes: number
  /** To be called once open; what is sent while the connection closes is lost with it. */
  send(frame: string): void
  /** Starts the closing handshake; `onClose` follows. */
  close(code: number, reason: string): void
  /** Drops the connection without a handshake. */
  terminate(): void
}

export interface ConnectionSink {
  onOpen(): void
  onFrame(frame: string): void
  /**
   * Called exactly once and last, also when the connection was never open; never from within a call of
   * `Transport` or `Connection`. Code 1006 where no close frame came (RFC 6455); `status` where the server refused
   * the upgrade with an HTTP status.
   */
  onClose(close: { readonly code: number; readonly reason: string; readonly status?: number }): void
}

export interface Transport {
  /** Opens a connection; everything that happens on it, failure to open included, is told to the sink. */
  connect(
    url: string,
    options: { readonly headers: Readonly<Record<string, string>>; readonly frameBytesMax: number },
    sink: ConnectionSink,
  ): Connection
}
