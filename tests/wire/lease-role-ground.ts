import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import type { GenerationIndex } from '@holdfast/generations/index/generation-index'
import { RpcGenerationIndex } from '@holdfast/host/rpc-generation-index'
import type { LeaseRegistry } from '@holdfast/lease/lease-registry'
import { startLeaseRole } from '@holdfast/lease/lease-role'
import { HISTORY_CALLS } from '@holdfast/protocol/history-calls'
import { LEASE_CALLS } from '@holdfast/protocol/lease-calls'
import { RpcClient } from '@holdfast/rpc/rpc-client'

const clusterKey = 'k'.repeat(32)

interface Stored {
  readonly index: GenerationIndex
  readonly registry: LeaseRegistry
}

/** A lease role that answers on a Unix socket from `stored`, and what a host sees of it. */
export class LeaseRoleGround implements AsyncDisposable {
  readonly registry: LeaseRegistry
  readonly address: string
  readonly #stored: Stored
  readonly #opened: AsyncDisposableStack

  private constructor(stored: Stored, address: string, opened: AsyncDisposableStack) {
    this.#stored = stored
    this.#opened = opened
    this.address = address
    this.registry = new RpcLeaseRegistry(address)
    opened.use(this.registry)
  }

  static async start(stored: Stored): Promise<LeaseRoleGround> {
    await using opened = new AsyncDisposableStack()
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-wire-'))
    opened.defer(() => rmSync(directory, { recursive: true }))
    const address = `unix:${join(directory, 'lease')}`
    opened.use(await startLeaseRole({ ...stored, address, clusterKey }))
    return new LeaseRoleGround(stored, address, opened.move())
  }

  /** A host's view of the history. Epochs are taken behind the role's back, where the promises of leases do not hinder. */
  openIndex(): GenerationIndex {
    const client = new RpcClient(HISTORY_CALLS, {
      address: this.address,
      clusterKey,
      unreachable: 'index-unavailable',
    })
    this.#opened.use(client)
    return new RpcGenerationIndex({ client, acquire: (workspace) => this.#stored.index.acquire(workspace) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]()
  }
}

/** The registry's promises, asked for over the wire. */
class RpcLeaseRegistry implements LeaseRegistry {
  readonly #client: RpcClient<typeof LEASE_CALLS>
  #closed = false

  constructor(address: string) {
    this.#client = new RpcClient(LEASE_CALLS, { address, clusterKey, unreachable: 'index-unavailable' })
  }

  acquireLease: LeaseRegistry['acquireLease'] = (request) =>
    this.#open(() => this.#client.call('acquireLease', request))
  renewLeases: LeaseRegistry['renewLeases'] = (request) =>
    this.#open(() => this.#client.call('renewLeases', request))
  releaseLease: LeaseRegistry['releaseLease'] = (request) =>
    this.#open(() => this.#client.call('releaseLease', request))
  leaseStates: LeaseRegistry['leaseStates'] = (request) =>
    this.#open(() => this.#client.call('leaseStates', request))

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#client[Symbol.asyncDispose]()
  }

  async #open<T>(call: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new Failure('index-unavailable', 'the registry is closed')
    return await call()
  }
}
