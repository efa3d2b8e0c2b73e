import type { Duplex } from 'node:stream'
import { RpcClients } from '@holdfast/rpc/rpc-clients'
import { HOST_TABLE, type HostLink, type HostLinks, type Tunnel } from '../ports/host-links.ts'

export class RpcHostLinks implements HostLinks, AsyncDisposable {
  readonly #links: RpcClients<typeof HOST_TABLE>

  constructor(clusterKey: string) {
    this.#links = new RpcClients(HOST_TABLE, { clusterKey, unreachable: 'host-unreachable' })
  }

  to(address: string): HostLink {
    return this.#links.at(address)
  }

  async tunnel(tunnel: Tunnel): Promise<void> {
    const { address, path, query, headers } = tunnel
    const begun = await this.to(address).handshake({ path, query, headers, protocol: 'websocket' })
    const lines = Object.entries(begun.headers)
      .filter(([name]) => name === 'upgrade' || name === 'connection' || name.startsWith('sec-websocket-'))
      .map(([name, value]) => `${name}: ${String(value)}\r\n`)
    const protocol = tunnel.protocol === null ? '' : `sec-websocket-protocol: ${tunnel.protocol}\r\n`
    tunnel.socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}${protocol}\r\n`)
    if (tunnel.head.length > 0) begun.socket.write(tunnel.head)
    join(tunnel.socket, begun.socket)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#links[Symbol.asyncDispose]()
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
