import type { AcceptConnection } from './transport.ts'

/** A plain exchange of HTTP, as far as Perdura uses it. Bodies are bounded by whoever makes or serves them. */
export interface HttpRequest {
  readonly method: string
  /** Path and query, starting with `/`. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** Set by a listener: the IP address of who asks; empty on a Unix socket. */
  readonly remoteAddress?: string
}

export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Where a server is: a loopback or remote port, with TLS where it says so, or a Unix socket. */
export type HttpAddress =
  | { readonly host: string; readonly port: number; readonly tls?: boolean }
  | { readonly socketPath: string }

export interface Http {
  /**
   * Any status is an answer. Rejects with ERR_HTTP_UNREACHABLE (retryable) when none came, its `details.reason` being
   * `refused` (nothing was done), `reset`, `timeout`, `aborted` or `failed` (something may have been done); with
   * ERR_PAYLOAD_TOO_LARGE when the answer is over 64 MiB, or over what this client takes; `details.status` is its status.
   */
  request(
    address: HttpAddress,
    request: HttpRequest,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<HttpResponse>
}

export interface HttpServer {
  /** What to connect to; for port 0 the port that was found. */
  readonly address: HttpAddress
  /** Stops accepting, lets requests under way finish for `graceMs`, then cuts them. */
  close(graceMs: number): Promise<void>
}

export interface HttpListener {
  /**
   * Serves `handle` at `address`. Rejects with ERR_PORT_IN_USE. Bodies over `bodyBytesMax` are answered 413 without
   * being read whole; half-sent requests are cut after 10 s. A PerduraError that `handle` rejects with is the answer;
   * any other error is answered 500 without a word of what it was, and told to `onError`. Where `upgrade` is given, it
   * decides about WebSockets; else they are refused. `close` cuts those that are still open when its grace is over.
   */
  listen(
    address: HttpAddress,
    options: {
      readonly bodyBytesMax: number
      readonly onError?: (error: Error) => void
      readonly upgrade?: { readonly frameBytesMax: number; readonly accept: AcceptConnection }
    },
    handle: (request: HttpRequest) => Promise<HttpResponse>,
  ): Promise<HttpServer>
}
