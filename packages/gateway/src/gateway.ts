import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '@holdfast/base/clock'
import { ExposureLinks } from '@holdfast/base/exposure-link'
import { Failure, isFailure } from '@holdfast/base/failure'
import { listenOn } from '@holdfast/rpc/listen-on'
import { type Admission, admit, mintVisit } from './admission.ts'
import { type Exposure, Exposures, type ExposuresDeps } from './exposures.ts'
import { type ForwardDeps, forwardRequest, forwardUpgrade, responseOn } from './forward.ts'
import { checkFraming, type Forwarding } from './headers.ts'
import { GATEWAY_LIMITS, type GatewayLimits } from './limits.ts'
import { type ReachDeps, reach } from './reach.ts'
import { refuse } from './refusal.ts'
import { type Route, routeOf } from './route.ts'
import { type HostClients, Upstreams } from './upstream.ts'
import {
  checkOrigin,
  credentialsOf,
  isNavigation,
  type Scheme,
  visitCookie,
  withoutToken,
} from './visitor.ts'

export interface GatewayOptions {
  readonly listen: { readonly host: string; readonly port: number }
  /** Apps are at `<port>-<workspace>.<domain>`: a domain that serves nothing else. */
  readonly domain: string
  /** How visitors speak to the domain: `https` when a proxy in front ends TLS. */
  readonly scheme: Scheme
  /** Its word on who the visitor is holds. */
  readonly isBehindProxy: boolean
  readonly control: ExposuresDeps['control']
  readonly hosts: HostClients
  readonly clock: Clock
  readonly linkKey: Uint8Array
  readonly limits?: Partial<GatewayLimits>
  /** Told of failures that are defects. */
  readonly onDefect?: (failure: unknown) => void
}

interface Visit {
  readonly exposure: Exposure & Pick<Route, 'by' | 'port'>
  readonly admission: Admission
  readonly forwarding: Forwarding
}

const UNPARSED: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** Serves the apps of workspaces to browsers and programs. */
export class Gateway implements AsyncDisposable {
  readonly #options: GatewayOptions
  readonly #limits: GatewayLimits
  readonly #server: Server
  readonly #exposures: Exposures
  readonly #upstreams: Upstreams
  readonly #reachDeps: ReachDeps
  readonly #links: ExposureLinks
  readonly #open = new Map<string, number>()
  readonly #sockets = new Set<Duplex>()
  /** Where a request began and ended was not clear: what comes next on these is read by nobody. */
  readonly #distrusted = new WeakSet<Duplex>()

  constructor(options: GatewayOptions) {
    this.#options = options
    this.#limits = { ...GATEWAY_LIMITS, ...options.limits }
    this.#exposures = new Exposures({ ...options, limits: this.#limits })
    this.#upstreams = new Upstreams(options.hosts)
    this.#reachDeps = {
      exposures: this.#exposures,
      upstreams: this.#upstreams,
      clock: options.clock,
      limits: this.#limits,
    }
    this.#links = new ExposureLinks(options.linkKey)
    this.#server = createServer({
      maxHeaderSize: this.#limits.headerBytesMax,
      headersTimeout: this.#limits.headersMs,
      requestTimeout: 0,
      connectionsCheckingInterval: Math.max(100, this.#limits.headersMs / 10),
      // Bytes behind an upgrade to HTTP/2 are requests that nobody would look at: it is answered in HTTP/1.1.
      shouldUpgradeCallback: (request) => !/\bh2c\b/i.test(request.headers.upgrade ?? ''),
    })
    this.#server.maxConnections = this.#limits.connectionsMax
    this.#server.on('request', (request, response) => void this.#answer(request, response))
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head))
    this.#server.on('clientError', answerUnparsed)
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /** Rejects as `listenOn`. */
  listen(): Promise<void> {
    return listenOn(this.#server, { kind: 'tcp', ...this.#options.listen }, 'apps')
  }

  /** With port 0 the one that the kernel chose. */
  get address(): AddressInfo {
    return this.#server.address() as AddressInfo
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    this.#exposures[Symbol.dispose]()
    this.#upstreams[Symbol.dispose]()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Node hands out the requests behind one another before the first is answered.
    if (this.#distrusted.has(request.socket)) return
    try {
      const visit = await this.#admit(request, false)
      if (visit.admission.through === 'link' && isNavigation(request.headers))
        return this.#exchangeToken(visit, request, response)
      this.#enter(visit.exposure.workspace, response)
      await forwardRequest(this.#forwardDeps(visit), visit.forwarding, { request, response })
    } catch (error) {
      this.#noteDefect(error)
      if (!response.destroyed) refuse(request, response, error)
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    try {
      const visit = await this.#admit(request, true)
      this.#enter(visit.exposure.workspace, socket)
      await forwardUpgrade(this.#forwardDeps(visit), visit.forwarding, { request, socket, head })
    } catch (error) {
      this.#noteDefect(error)
      if (!socket.destroyed) refuse(request, responseOn(request, socket), error)
    }
  }

  /** Rejects whatever may not be forwarded. Nobody is woken before this has resolved. */
  async #admit(request: IncomingMessage, isUpgrade: boolean): Promise<Visit> {
    this.#distrusted.add(request.socket)
    checkFraming(request, isUpgrade)
    this.#distrusted.delete(request.socket)
    const { headers, method = 'GET', url = '/' } = request
    if (url.length > this.#limits.requestLineBytesMax)
      throw new Failure('too-large', 'the request line is too long')
    const { domain, scheme, clock, isBehindProxy } = this.#options
    const host = headers.host ?? ''
    const [workspace, port] = ['holdfast-workspace', 'holdfast-port'].map((name) => headers[name]?.toString())
    const route = routeOf({ host, target: url, workspace, port }, domain)
    const exposure = { ...(await this.#exposures.find(route)), ...{ by: route.by, port: route.port } }
    const credentials = credentialsOf(headers, url, scheme)
    const admission = admit(exposure, credentials, (token) => this.#links.verify(token, clock.wallMs()))
    checkOrigin({ headers, method, scheme, isUpgrade, isByCookie: admission.through === 'cookie' })
    const clean = { ...route, target: withoutToken(route.target) }
    const remoteAddress = request.socket.remoteAddress ?? ''
    return { exposure, admission, forwarding: { route: clean, scheme, host, remoteAddress, isBehindProxy } }
  }

  /** The token leaves the address bar, and with it histories, logs and the Referer. */
  #exchangeToken(
    { exposure, admission, forwarding }: Visit,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const { clock, scheme } = this.#options
    const token = mintVisit(this.#links, exposure, admission.expiresAt)
    const maxAgeSeconds = Math.floor((admission.expiresAt - clock.wallMs()) / 1000)
    response.writeHead(request.method === 'GET' ? 302 : 303, {
      // Only a path: `//elsewhere` would be another host.
      location: forwarding.route.target.replace(/^[\\/]+/, '/'),
      'set-cookie': visitCookie(token, scheme, maxAgeSeconds),
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'content-length': 0,
    })
    response.end()
  }

  /** Counts until `connection` closes. Rejects with `too-many-requests`. */
  #enter(workspace: string, connection: ServerResponse | Duplex): void {
    const open = this.#open.get(workspace) ?? 0
    if (open >= this.#limits.openPerWorkspaceMax)
      throw new Failure('too-many-requests', `${workspace} has ${open} open requests`)
    this.#open.set(workspace, open + 1)
    connection.once('close', () => {
      const left = (this.#open.get(workspace) ?? 1) - 1
      if (left === 0) this.#open.delete(workspace)
      else this.#open.set(workspace, left)
    })
  }

  #forwardDeps({ exposure, forwarding }: Visit): ForwardDeps {
    const { workspace, port } = forwarding.route
    const wanted = { exposure, name: { workspace, port } }
    return { limits: this.#limits, begin: (options) => reach(this.#reachDeps, wanted, options) }
  }

  #noteDefect(error: unknown): void {
    if (!isFailure(error) || error.kind === 'broken') this.#options.onDefect?.(error)
  }
}

/** Serves until it is disposed of. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const gateway = new Gateway(options)
  await gateway.listen()
  return gateway
}

/** What Node could not read as a request, too long or too slow ones included. */
function answerUnparsed(error: Error & { readonly code?: string }, socket: Duplex): void {
  const status = UNPARSED[error.code ?? ''] ?? '400 Bad Request'
  if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  socket.on('finish', () => socket.destroy())
  if (!socket.writable) socket.destroy()
}
