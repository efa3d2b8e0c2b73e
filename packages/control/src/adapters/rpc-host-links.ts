import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { Failure } from '@holdfast/base/failure'
import { parseAddress } from '@holdfast/rpc/address'
import { RpcClients } from '@holdfast/rpc/rpc-clients'
import { HOST_TABLE, type HostLink, type HostLinks, type Tunnel } from '../ports/host-links.ts'

const TUNNEL_OPEN_MS_MAX = 10_000

export class RpcHostLinks implements HostLinks, AsyncDisposable {
  readonly #clusterKey: string
  readonly #links: RpcClients<typeof HOST_TABLE>

  constructor(clusterKey: string) {
    this.#clusterKey = clusterKey
    this.#links = new RpcClients(HOST_TABLE, { clusterKey, unreachable: 'host-unreachable' })
  }

  to(address: string): HostLink {
    return this.#links.at(address)
  }

  async tunnel(tunnel: Tunnel): Promise<void> {
    const { response, socket, head } = await this.#open(tunnel)
    const lines = Object.entries(response.headers)
      .filter(([name]) => name === 'upgrade' || name === 'connection' || name.startsWith('sec-websocket-'))
      .map(([name, value]) => `${name}: ${String(value)}\r\n`)
    const protocol = tunnel.protocol === null ? '' : `sec-websocket-protocol: ${tunnel.protocol}\r\n`
    tunnel.socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}${protocol}\r\n`)
    if (head.length > 0) tunnel.socket.write(head)
    if (tunnel.head.length > 0) socket.write(tunnel.head)
    join(tunnel.socket, socket)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#links[Symbol.asyncDispose]()
  }

  #open(tunnel: Tunnel): Promise<{ response: IncomingMessage; socket: Duplex; head: Buffer }> {
    const address = parseAddress(tunnel.address)
    const query = new URLSearchParams(
      Object.entries(tunnel.query).map(([name, value]): [string, string] => [name, String(value)]),
    )
    const request = httpRequest({
      ...(address.kind === 'unix'
        ? { socketPath: address.path }
        : { host: address.host, port: address.port }),
      path: `${tunnel.path}?${query}`,
      agent: false,
      timeout: TUNNEL_OPEN_MS_MAX,
      headers: {
        ...tunnel.headers,
        authorization: `Bearer ${this.#clusterKey}`,
        connection: 'upgrade',
        upgrade: 'websocket',
      },
    })
    return new Promise((resolve, reject) => {
      const fail = (cause?: unknown) =>
        reject(new Failure('host-unreachable', 'the host did not open the terminal', {}, cause))
      request.on('error', fail)
      request.on('timeout', () => request.destroy())
      request.on('response', (response) => {
        response.resume()
        if (response.statusCode === 404)
          reject(new Failure('not-found', 'the host does not know that command'))
        else fail()
      })
      request.on('upgrade', (response, socket, head) => {
        socket.setTimeout(0)
        resolve({ response, socket, head })
      })
      request.end()
    })
  }
}

/** Bytes both ways, at the pace of the slower side; one end gone ends the other. */
function join(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
    from.pipe(to)
  }
}
