import { assert } from '@holdfast/base/assert'
import type { Dispatcher } from 'undici'
import request from 'undici/lib/api/api-request.js'
// Of 110 modules a pool needs 35: the whole costs each role 80 ms of its start and 16 MB.
import Pool from 'undici/lib/dispatcher/pool.js'
import { type Address, parseAddress } from './address.ts'

const CONNECTIONS_MAX = 64

/** One process that answers for a role. */
export interface Replica {
  readonly text: string
  readonly address: Address
  readonly request: (options: Dispatcher.RequestOptions) => Promise<Dispatcher.ResponseData>
  readonly close: () => Promise<void>
}

/** The processes that answer for one role, any of them as well as another: one is asked until it does not answer. */
export class Replicas implements AsyncDisposable {
  readonly #all: readonly Replica[]
  #present = 0

  constructor(addresses: string | readonly string[]) {
    this.#all = [addresses].flat().map(openReplica)
    assert(this.#all.length > 0, 'a role has an address')
  }

  get count(): number {
    return this.#all.length
  }

  get present(): Replica {
    const replica = this.#all[this.#present]
    assert(replica !== undefined, 'there is always a present one')
    return replica
  }

  /** It gave no answer: the next one is asked from now on, unless somebody has moved on already. */
  leave(replica: Replica): void {
    if (this.present === replica) this.#present = (this.#present + 1) % this.#all.length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map(({ close }) => close()))
  }
}

function openReplica(text: string): Replica {
  const address = parseAddress(text)
  const isUnix = address.kind === 'unix'
  const pool = new Pool(isUnix ? 'http://localhost' : text, {
    connections: CONNECTIONS_MAX,
    ...(isUnix ? { socketPath: address.path } : {}),
  })
  return { text, address, request: (options) => request.call(pool, options), close: () => pool.destroy() }
}
