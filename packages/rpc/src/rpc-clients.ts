import type { RpcTable } from '@holdfast/protocol/rpc-table'
import { RpcClient, type RpcClientOptions } from './rpc-client.ts'

/** One client for each address that was called, kept until the end. */
export class RpcClients<Table extends RpcTable> implements AsyncDisposable {
  readonly #table: Table
  readonly #options: Omit<RpcClientOptions, 'address'>
  readonly #clients = new Map<string, RpcClient<Table>>()

  constructor(table: Table, options: Omit<RpcClientOptions, 'address'>) {
    this.#table = table
    this.#options = options
  }

  at(address: string): RpcClient<Table> {
    const known = this.#clients.get(address)
    if (known) return known
    const client = new RpcClient(this.#table, { ...this.#options, address })
    this.#clients.set(address, client)
    return client
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client[Symbol.asyncDispose]()))
  }
}
