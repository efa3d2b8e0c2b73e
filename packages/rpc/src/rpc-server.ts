import { timingSafeEqual } from 'node:crypto'
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Failure, failureToWire, isFailure } from '@holdfast/base/failure'
import { FAILURES } from '@holdfast/protocol/failures'
import type { RpcParsed, RpcRequest, RpcTable } from '@holdfast/protocol/rpc-table'
import { type Address, formatAddress, parseAddress } from './address.ts'
import { listenOn } from './listen-on.ts'

const BODY_BYTES_MAX = 16 << 20
const HEADERS_MS_MAX = 10_000

/** What answers a table: one function a call. */
export type RpcHandlers<Table extends RpcTable> = {
  readonly [Name in keyof Table]: (
    request: RpcParsed<Table, Name>,
    signal: AbortSignal,
  ) => Promise<RpcRequestOfResponse<Table, Name>>
}
type RpcRequestOfResponse<Table extends RpcTable, Name extends keyof Table> = RpcRequest<
  {
    readonly answer: { readonly request: Table[Name]['response']; readonly response: Table[Name]['response'] }
  },
  'answer'
>

export type StreamHandler = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void>
export type UpgradeHandler = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  url: URL,
) => Promise<void>

export interface RpcRoutes {
  /** By path, any method. A failure before the first byte is told as one of a call is. */
  readonly streams?: Readonly<Record<string, StreamHandler>>
  readonly upgrades?: Readonly<Record<string, UpgradeHandler>>
}

interface Answerable {
  readonly request: { parse(value: unknown): unknown }
  readonly handle: (request: unknown, signal: AbortSignal) => Promise<unknown>
}

export interface RpcServerOptions {
  readonly address: string
  readonly clusterKey: string
  /** Told of failures that are defects. */
  readonly onDefect?: (failure: unknown, call: string) => void
}

/** Answers the calls and streams of one role. Callers without the cluster key are refused. */
export class RpcServer implements AsyncDisposable {
  readonly #server: Server
  readonly #options: RpcServerOptions
  readonly #calls = new Map<string, Answerable>()
  readonly #streams = new Map<string, StreamHandler>()
  readonly #upgrades = new Map<string, UpgradeHandler>()
  readonly #sockets = new Set<Duplex>()

  private constructor(options: RpcServerOptions) {
    this.#options = options
    this.#server = createServer({ headersTimeout: HEADERS_MS_MAX, requestTimeout: 0 })
    this.#server.on('request', (request, response) => void this.#answer(request, response))
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /** Listens; a stale socket file is replaced. `serve` adds what it answers. Rejects as `listenOn`. */
  static async listen(options: RpcServerOptions): Promise<RpcServer> {
    const server = new RpcServer(options)
    const address = parseAddress(options.address)
    await server.#listen(address)
    if (address.kind === 'unix') chmodSync(address.path, 0o600)
    return server
  }

  /** Where it listens: with port 0 the one that the kernel chose. */
  get address(): string {
    const bound = this.#server.address()
    if (bound === null || typeof bound === 'string') return this.#options.address
    return formatAddress({ kind: 'tcp', host: bound.address, port: bound.port })
  }

  serve<Table extends RpcTable>(table: Table, handlers: RpcHandlers<Table>): void {
    for (const [name, call] of Object.entries(table)) {
      const handle = handlers[name as keyof Table] as Answerable['handle']
      this.#calls.set(name, { request: call.request, handle })
    }
  }

  route({ streams = {}, upgrades = {} }: RpcRoutes): void {
    for (const [path, handler] of Object.entries(streams)) this.#streams.set(path, handler)
    for (const [path, handler] of Object.entries(upgrades)) this.#upgrades.set(path, handler)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #listen(address: Address): Promise<void> {
    if (address.kind === 'unix') rmSync(address.path, { force: true })
    return listenOn(this.#server, address, 'listen')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    // After the whole answer nobody waits any more, and an abort is not free.
    response.on('close', () => response.writableFinished || gone.abort())
    let path = ''
    try {
      this.#authenticate(request)
      const url = urlOf(request)
      path = url.pathname
      const stream = this.#streams.get(url.pathname)
      if (stream) return await stream(request, response, url)
      sendJson(response, 200, await this.#call(request, url, gone.signal))
    } catch (error) {
      // Nobody is left to hear of a call that was given up.
      if (!response.destroyed) this.#refuse(response, error, path)
    }
  }

  async #call(request: IncomingMessage, { pathname }: URL, signal: AbortSignal): Promise<unknown> {
    const call = request.method === 'POST' ? this.#calls.get(pathname.replace(/^\/rpc\//, '')) : undefined
    if (call === undefined) throw new Failure('not-found', `nothing answers ${request.method} ${pathname}`)
    return await call.handle(parseRequest(call, await readBody(request)), signal)
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    let path = ''
    try {
      this.#authenticate(request)
      const url = urlOf(request)
      path = url.pathname
      const handler = this.#upgrades.get(url.pathname)
      if (handler === undefined)
        throw new Failure('not-found', `nothing answers an upgrade of ${url.pathname}`)
      await handler(request, socket, head, url)
    } catch (error) {
      this.#noteDefect(error, path)
      const wire = failureToWire(error)
      const text = JSON.stringify(wire)
      socket.end(
        `HTTP/1.1 ${FAILURES[wire.code].http} Refused\r\ncontent-type: application/json\r\n` +
          `content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
      )
    }
  }

  #authenticate(request: IncomingMessage): void {
    const given = Buffer.from(request.headers.authorization ?? '')
    const wanted = Buffer.from(`Bearer ${this.#options.clusterKey}`)
    if (given.length === wanted.length && timingSafeEqual(given, wanted)) return
    throw new Failure('unauthenticated', 'this is no role of the same installation')
  }

  #refuse(response: ServerResponse, error: unknown, path: string): void {
    this.#noteDefect(error, path)
    if (response.headersSent) {
      response.destroy()
      return
    }
    const wire = failureToWire(error)
    sendJson(response, FAILURES[wire.code].http, wire)
  }

  #noteDefect(error: unknown, path: string): void {
    if (!isFailure(error) || error.code === 'internal') this.#options.onDefect?.(error, path)
  }
}

/** Whoever reaches the socket chooses what stands there: `//` is no address at all. */
function urlOf(request: IncomingMessage): URL {
  const url = URL.parse(request.url ?? '/', 'http://role')
  if (url !== null) return url
  throw new Failure('invalid-argument', 'the request has no address')
}

function parseRequest(call: Answerable, body: string): unknown {
  try {
    return call.request.parse(JSON.parse(body))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Failure('invalid-argument', `the request has another shape: ${reason}`, {}, error)
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request) {
    bytes += part.length
    if (bytes > BODY_BYTES_MAX) throw new Failure('too-large', `a call has at most ${BODY_BYTES_MAX} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

function sendJson(response: ServerResponse, status: number, document: unknown): void {
  const text = JSON.stringify(document)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}
