import type { LeaseRegistry } from '@holdfast/lease/lease-registry'
import { historyHandlers, registryHandlers } from '@holdfast/lease/lease-role'
import type { HISTORY_CALLS } from '@holdfast/protocol/history-calls'
import type { LEASE_CALLS } from '@holdfast/protocol/lease-calls'
import type { RpcHandlers } from '@holdfast/rpc/rpc-server'
import { MemoryLeaseRegistry } from '@holdfast/testkit/memory-lease-registry'
import { type Guards, WatchedIndex } from './guards.ts'
import type { Node } from './network.ts'
import type { Oracle } from './oracle.ts'
import { SimulatedProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'

/** The lease role with its database, which outlives its processes. */
export class Database implements Node {
  readonly name = 'lease'
  readonly index: WatchedIndex
  readonly leases: RpcHandlers<typeof LEASE_CALLS>
  readonly history: RpcHandlers<typeof HISTORY_CALLS>
  process: SimulatedProcess
  readonly #scheduler: Scheduler
  /** Told who gave a lease back. */
  onRelease: (host: string) => void = () => {}
  #bootedAtMs = -100_000
  #boot = 1

  constructor(scheduler: Scheduler, oracle: Oracle, guards: Guards) {
    this.#scheduler = scheduler
    this.process = new SimulatedProcess(scheduler)
    this.index = new WatchedIndex(oracle, guards)
    const now = () => ({ boot: `boot ${this.#boot}`, ms: scheduler.nowMs - this.#bootedAtMs })
    this.leases = registryHandlers(
      watched(new MemoryLeaseRegistry(this.index, { now }), oracle, (host) => this.onRelease(host)),
    )
    this.history = historyHandlers(this.index)
  }

  get isListening(): boolean {
    return !this.process.isDead
  }

  down(): void {
    this.process.kill()
  }

  /** Another process, on a machine that has started again if it is told so. */
  up({ isRebooted }: { readonly isRebooted: boolean }): void {
    this.process = new SimulatedProcess(this.#scheduler)
    if (!isRebooted) return
    this.#boot++
    this.#bootedAtMs = this.#scheduler.nowMs - 1_000
  }
}

/** Tells the oracle of each lease at the moment of its decision. */
function watched(
  registry: MemoryLeaseRegistry,
  oracle: Oracle,
  onRelease: (host: string) => void,
): LeaseRegistry {
  return {
    acquireLease: async (request) => {
      const lease = await registry.acquireLease(request)
      oracle.noteLease(lease.workspace, lease)
      return lease
    },
    renewLeases: async (request) => {
      const answer = await registry.renewLeases(request)
      for (const { workspace, epoch } of request.leases)
        if (!answer.lost.includes(workspace)) oracle.noteLease(workspace, { ...request, epoch })
      return answer
    },
    releaseLease: async (request) => {
      const answer = await registry.releaseLease(request)
      const { workspace, epoch, successor } = request
      const given = successor ?? { host: null, ttlMs: 0 }
      oracle.noteRelease(workspace, { ...given, epoch: epoch + 1 })
      onRelease(request.host)
      return answer
    },
    leaseStates: (request) => registry.leaseStates(request),
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  }
}
