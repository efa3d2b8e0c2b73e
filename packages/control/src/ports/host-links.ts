import type { Duplex } from 'node:stream'
import { BROWSE_CALLS } from '@holdfast/protocol/browse-calls'
import { FILE_CALLS } from '@holdfast/protocol/files'
import { HOST_CALLS } from '@holdfast/protocol/host-calls'
import type { RpcClient } from '@holdfast/rpc/rpc-client'

/** All that a host answers. */
export const HOST_TABLE = { ...HOST_CALLS, ...FILE_CALLS, ...BROWSE_CALLS } as const

export type HostLink = RpcClient<typeof HOST_TABLE>

/** Connections to hosts, by address. */
export interface HostLinks {
  to(address: string): HostLink
  /** Hands a WebSocket on as it is: what the caller sent to begin one goes to the host, its bytes both ways. */
  tunnel(tunnel: Tunnel): Promise<void>
}

export interface Tunnel {
  readonly address: string
  readonly path: string
  readonly query: Readonly<Record<string, string | number>>
  /** `sec-websocket-*` of the caller. */
  readonly headers: Readonly<Record<string, string>>
  /** The subprotocol that the caller is answered. */
  readonly protocol: string | null
  readonly socket: Duplex
  readonly head: Buffer
}
