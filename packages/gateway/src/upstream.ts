import { Agent, type ClientRequest, request as httpRequest, type RequestOptions } from 'node:http'
import type { Duplex } from 'node:stream'
import { HOST_STREAMS, PORT_PROTOCOL } from '@holdfast/protocol/host-streams'

/** The calls of `RpcClient` by which a port is reached. */
export interface PortOpener {
  upgrade(path: string, query: Readonly<Record<string, string | number>>, protocol: string): Promise<Duplex>
}
/** The client of the host at that address; the caller keeps and closes it. */
export type HostClients = (address: string) => PortOpener

/** Where a port is served now. */
export interface Place {
  readonly workspace: string
  readonly port: number
  readonly epoch: number
  readonly hostAddress: string
}

const FREE_SOCKETS_MAX = 16
/** Less than the five seconds after which common servers close what is idle: closing first loses no request. */
const FREE_MS_MAX = 4000
const AGENTS_MAX = 1000

/** Connections to one port under one epoch, kept between requests. */
class PortAgent extends Agent {
  readonly #open: () => Promise<Duplex>

  constructor(open: () => Promise<Duplex>) {
    super({ keepAlive: true, maxFreeSockets: FREE_SOCKETS_MAX, timeout: FREE_MS_MAX })
    this.#open = open
  }

  override createConnection(
    _options: unknown,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    this.#open().then(
      (socket) => callback?.(null, socket),
      (error) => callback?.(error, undefined as never),
    )
  }

  get isIdle(): boolean {
    return [this.sockets, this.freeSockets, this.requests].every((by) => Object.keys(by).length === 0)
  }
}

interface Kept {
  readonly place: Place
  readonly agent: PortAgent
}

/** HTTP to apps, over the raw bytes that hosts give. A connection never outlives the epoch that it was opened under. */
export class Upstreams implements Disposable {
  readonly #hosts: HostClients
  readonly #kept = new Map<string, Kept>()

  constructor(hosts: HostClients) {
    this.#hosts = hosts
  }

  /**
   * Resolves once the request has its connection; not a byte of a body was taken before. Rejects with what the host
   * said: `lease-lost` under another epoch, `port-unreachable` when nothing listens.
   */
  begin(place: Place, options: RequestOptions): Promise<ClientRequest> {
    const request = httpRequest({ ...options, agent: this.#agent(place) })
    return new Promise((resolve, reject) => {
      request.once('error', reject)
      request.once('socket', () => {
        request.off('error', reject)
        resolve(request)
      })
    })
  }

  [Symbol.dispose](): void {
    for (const { agent } of this.#kept.values()) agent.destroy()
    this.#kept.clear()
  }

  #agent(place: Place): PortAgent {
    const key = `${place.port}-${place.workspace}`
    const kept = this.#kept.get(key)
    if (kept && kept.place.epoch === place.epoch && kept.place.hostAddress === place.hostAddress)
      return kept.agent
    kept?.agent.destroy()
    this.#prune()
    const agent = new PortAgent(() => this.#connect(place))
    this.#kept.set(key, { place, agent })
    return agent
  }

  #connect({ hostAddress, workspace, port, epoch }: Place): Promise<Duplex> {
    return this.#hosts(hostAddress).upgrade(HOST_STREAMS.port, { workspace, port, epoch }, PORT_PROTOCOL)
  }

  #prune(): void {
    if (this.#kept.size < AGENTS_MAX) return
    for (const [key, { agent }] of this.#kept) if (agent.isIdle) this.#kept.delete(key)
  }
}
