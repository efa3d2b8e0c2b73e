import { FILE_CALLS } from '@holdfast/protocol/files'
import { HOST_CALLS } from '@holdfast/protocol/host-calls'
import { RpcClient } from '@holdfast/rpc/rpc-client'

const CALLS = { ...HOST_CALLS, ...FILE_CALLS } as const

export type HostClient = RpcClient<typeof CALLS>

/** One client for each host that was called. */
export class HostClients implements AsyncDisposable {
  readonly #clusterKey: string
  readonly #clients = new Map<string, HostClient>()

  constructor(clusterKey: string) {
    this.#clusterKey = clusterKey
  }

  at(address: string): HostClient {
    const known = this.#clients.get(address)
    if (known) return known
    const client = new RpcClient(CALLS, {
      address,
      clusterKey: this.#clusterKey,
      unreachable: 'host-unreachable',
    })
    this.#clients.set(address, client)
    return client
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client[Symbol.asyncDispose]()))
  }
}
