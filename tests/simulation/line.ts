import type { FailureCode } from '@holdfast/protocol/failures'
import type { RpcRequest, RpcResponse, RpcTable } from '@holdfast/protocol/rpc-table'
import type { CallOptions } from '@holdfast/rpc/rpc-client'
import type { RpcHandlers } from '@holdfast/rpc/rpc-server'
import type { Network, Node } from './network.ts'

/** As the real client waits. */
const CALL_MS_DEFAULT = 30_000

export interface LineEnds<Table extends RpcTable> {
  readonly from: Node
  readonly to: Node
  readonly unreachable: FailureCode
  /** Of the process that runs there when the call comes in. */
  readonly handlers: () => Partial<RpcHandlers<Table>>
}

/** Calls one role over the simulated network, as `RpcClient` does over a socket. */
export class Line<Table extends RpcTable> implements AsyncDisposable {
  readonly #network: Network
  readonly #table: Table
  readonly #ends: LineEnds<Table>

  constructor(network: Network, table: Table, ends: LineEnds<Table>) {
    this.#network = network
    this.#table = table
    this.#ends = ends
  }

  call<Name extends keyof Table & string>(
    name: Name,
    request: RpcRequest<Table, Name>,
    { timeoutMs = CALL_MS_DEFAULT }: CallOptions = {},
  ): Promise<RpcResponse<Table, Name>> {
    const { handlers, ...ends } = this.#ends
    const serve = async () => {
      const handler = handlers()[name]
      const schema = this.#table[name]?.request
      if (handler === undefined || schema === undefined) throw new Error(`nobody simulates ${name}`)
      const { signal } = new AbortController()
      return (await handler(schema.parse(request) as never, signal)) as RpcResponse<Table, Name>
    }
    return this.#network.call({ ...ends, name, timeoutMs, serve })
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
