import { Failure } from '@holdfast/base/failure'
import type { LeaseRegistry } from '@holdfast/lease/lease-registry'
import { LEASE_CALLS } from '@holdfast/protocol/lease-calls'
import type { RpcRequest, RpcResponse } from '@holdfast/protocol/rpc-table'

type Calls = typeof LEASE_CALLS
type Name = keyof Calls

/** `before`: the call does not happen. `after`: it happens, and its answer is lost. `hold`: it waits for `letGo`. */
export type CallFault = 'before' | 'after' | 'hold' | 'none'

/** Calls a registry as a host does, over a line that fails when a test says so. */
export class FaultyLeaseClient {
  /** What goes wrong with the next calls, one each. */
  readonly faults: CallFault[] = []
  /** Every call as it was made. */
  readonly calls: { readonly name: Name; readonly request: unknown }[] = []
  /** Nothing gets through in either direction. */
  isCut = false
  readonly #registry: LeaseRegistry
  readonly #waiting: (() => void)[] = []

  constructor(registry: LeaseRegistry) {
    this.#registry = registry
  }

  /** Lets the held calls reach the registry. */
  letGo(): void {
    for (const go of this.#waiting.splice(0)) go()
  }

  async call<N extends Name>(name: N, request: RpcRequest<Calls, N>): Promise<RpcResponse<Calls, N>> {
    this.calls.push({ name, request })
    const fault = this.isCut ? 'before' : (this.faults.shift() ?? 'none')
    if (fault === 'hold') await new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (fault === 'before') throw new Failure('index-unavailable', `${name} was lost`)
    const answer = await this.#answer(name, request)
    if (fault === 'after') throw new Failure('timed-out', `the answer to ${name} was lost`)
    return answer as RpcResponse<Calls, N>
  }

  #answer(name: Name, request: unknown): Promise<unknown> {
    switch (name) {
      case 'acquireLease':
        return this.#registry.acquireLease(LEASE_CALLS.acquireLease.request.parse(request))
      case 'renewLeases':
        return this.#registry.renewLeases(LEASE_CALLS.renewLeases.request.parse(request))
      case 'releaseLease':
        return this.#registry.releaseLease(LEASE_CALLS.releaseLease.request.parse(request))
      case 'leaseStates':
        return this.#registry.leaseStates(LEASE_CALLS.leaseStates.request.parse(request))
    }
  }
}
