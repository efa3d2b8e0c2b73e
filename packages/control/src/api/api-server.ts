import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { Failure } from '@holdfast/base/failure'
import { formatAddress, parseAddress } from '@holdfast/rpc/address'
import { listenOn } from '@holdfast/rpc/listen-on'
import { getRequestListener } from '@hono/node-server'
import { refusalOf } from './answer-failure.ts'
import { type App, paramsOf } from './app.ts'
import type { Route } from './route.ts'

const HEADER_BYTES_MAX = 16 * 1024
const HEADERS_MS_MAX = 10_000
/** How often headers that do not come to their end are looked for: Node's own 30 s would triple their time. */
const HEADERS_CHECK_MS = 1000
const KEY_PROTOCOL = 'holdfast-key.'

/** Listens for the public API. */
export class ApiServer implements AsyncDisposable {
  readonly #server: Server
  readonly #app: App
  readonly #upgrades: readonly Route[]
  readonly #sockets = new Set<Duplex>()
  readonly #fallback: string

  private constructor(app: App, routes: readonly Route[], address: string) {
    this.#app = app
    this.#upgrades = routes.filter(({ kind }) => kind === 'upgrade')
    this.#fallback = address
    // A stream of a gigabyte takes its time: only what comes before it is bounded.
    const limits = {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_MS_MAX,
      connectionsCheckingInterval: HEADERS_CHECK_MS,
      requestTimeout: 0,
    }
    this.#server = createServer(limits)
    const listener = getRequestListener(app.hono.fetch, { overrideGlobalObjects: false })
    this.#server.on('request', (request, response) => void listener(request, response))
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head))
    this.#server.on('clientError', (error, socket) => refuse(socket, unreadable(error)))
    this.#server.on('connection', (socket) => {
      socket.setNoDelay(true)
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /** Rejects as `listenOn`. */
  static async listen(app: App, routes: readonly Route[], address: string): Promise<ApiServer> {
    const server = new ApiServer(app, routes, address)
    await listenOn(server.#server, parseAddress(address), 'api')
    return server
  }

  /** Where it listens: with port 0 the one that the kernel chose. */
  get address(): string {
    const bound = this.#server.address()
    if (bound === null || typeof bound === 'string') return this.#fallback
    return formatAddress({ kind: 'tcp', host: bound.address, port: bound.port })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    const gone = new AbortController()
    socket.on('close', () => gone.abort())
    try {
      const url = URL.parse(incoming.url ?? '/', 'http://api')
      if (url === null) throw new Failure('invalid-argument', 'the request has no address')
      const route = this.#upgrades.find((candidate) => 'id' in paramsOf(candidate, url.pathname))
      if (route === undefined || incoming.headers.upgrade?.toLowerCase() !== 'websocket')
        throw new Failure('not-found', 'nothing answers an upgrade there')
      const headers = { authorization: authorizationOf(incoming) }
      const request = new Request(url, { headers, signal: gone.signal })
      await this.#app.upgrade(route, request, { incoming, socket, head })
    } catch (error) {
      refuse(socket, error)
    }
  }
}

/** A browser sets no headers on a WebSocket: its key comes as a subprotocol. */
function authorizationOf({ headers }: IncomingMessage): string {
  const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? []
  const key = offered.find((name) => name.startsWith(KEY_PROTOCOL))?.slice(KEY_PROTOCOL.length)
  return headers.authorization ?? (key === undefined ? '' : `Bearer ${key}`)
}

/** What is no request of HTTP, or none that is taken. */
function unreadable(error: NodeJS.ErrnoException): Failure {
  if (error.code === 'HPE_HEADER_OVERFLOW')
    return new Failure('too-large', `headers have at most ${HEADER_BYTES_MAX} bytes`)
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Failure('invalid-argument', `the headers did not come within ${HEADERS_MS_MAX} ms`)
  return new Failure('invalid-argument', 'this is no request of HTTP')
}

function refuse(socket: Duplex, error: unknown): void {
  const { status, body } = refusalOf(error, 'upgrade')
  if (!socket.writable) return void socket.destroy()
  const text = JSON.stringify(body)
  socket.end(
    `HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n` +
      `connection: close\r\n\r\n${text}`,
  )
}
