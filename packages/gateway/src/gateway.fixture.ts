import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { systemClock } from '@holdfast/base/clock'
import { type ExposureGrant, ExposureLinks } from '@holdfast/base/exposure-link'
import { Failure } from '@holdfast/base/failure'
import { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import { HOST_CALLS } from '@holdfast/protocol/host-calls'
import { HOST_STREAMS, PORT_PROTOCOL, PortQuery } from '@holdfast/protocol/host-streams'
import { WorkspaceId } from '@holdfast/protocol/identifiers'
import { RpcClient } from '@holdfast/rpc/rpc-client'
import { RpcServer } from '@holdfast/rpc/rpc-server'
import type { Exposure } from './exposures.ts'
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'

export const DOMAIN = 'apps.test'
export const WORKSPACE = WorkspaceId.parse(`ws_${'a'.repeat(26)}`)
export const ORG = `org_${'b'.repeat(26)}`
const EXPOSURE = 'exp_a'
const LINK_KEY = Buffer.alloc(32, 3)
const clusterKey = 'k'.repeat(32)

/** Ports of one workspace, served by programs of this machine, behind a host that speaks the real protocol. */
export class Host implements AsyncDisposable {
  epoch = 1
  /** Connections opened to apps. */
  opened = 0
  readonly #server: RpcServer

  private constructor(server: RpcServer) {
    this.#server = server
    server.route({
      upgrades: {
        [HOST_STREAMS.port]: async (_request, socket, _head, url) => {
          const { port, epoch } = PortQuery.parse(Object.fromEntries(url.searchParams))
          if (epoch !== this.epoch) throw new Failure('lease-lost', 'another epoch', { epoch: this.epoch })
          const app = await connected(port)
          this.opened++
          socket.write(
            `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${PORT_PROTOCOL}\r\n\r\n`,
          )
          socket.pipe(app).pipe(socket)
          socket.on('close', () => app.destroy())
          app.on('error', () => socket.destroy())
          app.on('close', () => socket.destroy())
        },
      },
    })
  }

  static async start(address: string): Promise<Host> {
    return new Host(await RpcServer.listen({ address, clusterKey }))
  }

  get address(): string {
    return this.#server.address
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
  }
}

async function connected(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  try {
    await once(socket, 'connect')
    return socket
  } catch (error) {
    throw new Failure('port-unreachable', `nothing listens on ${port}`, { port }, error)
  }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface Asked {
  readonly port: number
  readonly host?: string
  readonly path?: string
  readonly method?: string
  readonly headers?: Record<string, string | string[]>
  readonly body?: string
}

/** A gateway with a control that says what `exposures` holds, by `<port>-<workspace>`. */
export class World implements AsyncDisposable {
  readonly exposures = new Map<string, Exposure>()
  readonly asked: { readonly port: number; readonly resume: boolean }[] = []
  readonly defects: unknown[] = []
  readonly links = new ExposureLinks(LINK_KEY)
  readonly stack = new AsyncDisposableStack()
  readonly directory = mkdtempSync(join(tmpdir(), 'holdfast-gateway-'))
  /** What `resume` does before it answers. */
  onResume: (port: number) => Promise<void> = async () => {}
  gateway!: Gateway
  host!: Host

  static async start(options: Partial<GatewayOptions> = {}): Promise<World> {
    const world = new World()
    world.stack.defer(() => rmSync(world.directory, { recursive: true, force: true }))
    world.host = world.stack.use(await Host.start(world.address('host')))
    const control = world.stack.use(await RpcServer.listen({ address: world.address('control'), clusterKey }))
    control.serve(CONTROL_CALLS, {
      ...refusing(),
      resolveExposure: ({ workspace, port, resume }) => world.#resolve(`${port}-${workspace}`, port, resume),
    })
    world.gateway = world.stack.use(
      await startGateway({
        listen: { host: '127.0.0.1', port: 0 },
        domain: DOMAIN,
        scheme: 'http',
        isBehindProxy: false,
        control: world.stack.use(world.#client(CONTROL_CALLS, world.address('control'))),
        hosts: world.#hostClients(),
        clock: systemClock,
        linkKey: LINK_KEY,
        onDefect: (failure) => world.defects.push(failure),
        ...options,
      }),
    )
    return world
  }

  address(name: string): string {
    return `unix:${join(this.directory, name)}`
  }

  /** Serves `listener` as an app, exposed under its id and as `demo`. */
  async serve(access: Exposure['access'], listener: RequestListener): Promise<number> {
    const server = createServer(listener)
    server.keepAliveTimeout = 0
    return this.serveOn(access, server)
  }

  async serveOn(access: Exposure['access'], server: Server): Promise<number> {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.stack.defer(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    this.expose(port, access)
    return port
  }

  expose(port: number, access: Exposure['access'], change: Partial<Exposure> = {}): void {
    const hostAddress = this.host.address
    const exposure = {
      workspace: WORKSPACE,
      org: ORG,
      epoch: this.host.epoch,
      hostAddress,
      access,
      exposure: EXPOSURE,
      ...change,
    }
    for (const name of [WORKSPACE, 'demo']) this.exposures.set(`${port}-${name}`, exposure)
  }

  token(grant: Partial<ExposureGrant> & { readonly port?: number }): string {
    const expiresAt = systemClock.wallMs() + 60_000
    if (grant.kind === 'org') return this.links.mint({ kind: 'org', org: ORG, expiresAt, ...grant })
    return this.links.mint({
      workspace: WORKSPACE,
      port: 1,
      exposure: EXPOSURE,
      expiresAt,
      ...grant,
      kind: 'port',
    } as ExposureGrant)
  }

  /** Asks over a connection of its own. */
  async ask({
    port,
    host = `${port}-demo.${DOMAIN}`,
    path = '/',
    method = 'GET',
    headers = {},
    body,
  }: Asked): Promise<Answer> {
    const request = httpRequest({
      host: '127.0.0.1',
      port: this.gateway.address.port,
      path,
      method,
      agent: false,
      headers: { host, ...headers },
    })
    request.end(body)
    const [response]: IncomingMessage[] = await once(request, 'response')
    if (response === undefined) throw new Error('no answer')
    const text = await buffer(response)
    return { status: response.statusCode ?? 0, headers: response.headers, body: String(text) }
  }

  /** Sends exactly these bytes, and returns what comes until the gateway closes. */
  async raw(bytes: string): Promise<string> {
    const socket = connect(this.gateway.address.port, '127.0.0.1')
    socket.write(bytes, 'latin1')
    return String(await buffer(socket))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]()
  }

  async #resolve(key: string, port: number, resume: boolean): Promise<Exposure> {
    this.asked.push({ port, resume })
    if (resume) await this.onResume(port)
    const found = this.exposures.get(key)
    if (found === undefined) throw new Failure('not-found', 'no such exposure')
    return found
  }

  #hostClients(): GatewayOptions['hosts'] {
    const clients = new Map<string, RpcClient<typeof HOST_CALLS>>()
    return (address) => {
      const known = clients.get(address) ?? this.stack.use(this.#client(HOST_CALLS, address))
      clients.set(address, known)
      return known
    }
  }

  #client<Table extends typeof CONTROL_CALLS | typeof HOST_CALLS>(
    table: Table,
    address: string,
  ): RpcClient<Table> {
    return new RpcClient(table, { address, clusterKey, unreachable: 'host-unreachable' })
  }
}

function refusing() {
  const refuse = async () => {
    throw new Failure('not-found', 'this control answers gateways only')
  }
  return { registerHost: refuse, reportHost: refuse, reportEvents: refuse, reportExecs: refuse }
}
