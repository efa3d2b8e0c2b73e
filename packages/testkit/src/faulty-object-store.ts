import { type Clock, systemClock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import type { ByteRange, ObjectStore, StoredObject } from '@holdfast/generations/store/object-store'
import type { FaultPlan, StoreFault, StoreOperation } from './store-faults.ts'

/** One call as it came in, with what was done to it. */
export interface FaultyCall {
  readonly operation: StoreOperation
  readonly key: string
  readonly fault: StoreFault | undefined
}

interface Delayed {
  operationsLeft: number
  readonly apply: () => Promise<void>
}

/** Any store, with the faults of a plan. Faults that an operation cannot have are passed over. */
export class FaultyObjectStore implements ObjectStore {
  readonly address: string
  /** Every call so far, in order. */
  readonly calls: FaultyCall[] = []
  readonly #inner: ObjectStore
  readonly #plan: FaultPlan
  readonly #clock: Clock
  readonly #counts: Record<StoreOperation, number> = { put: 0, get: 0, head: 0, list: 0, delete: 0 }
  #delayed: Delayed[] = []

  constructor(inner: ObjectStore, plan: FaultPlan, clock: Clock = systemClock) {
    this.address = inner.address
    this.#inner = inner
    this.#plan = plan
    this.#clock = clock
  }

  put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    // A copy: a put that is applied later must not see what the caller does to its buffers by then.
    return this.#change('put', key, (bytes) => this.#inner.put(key, bytes), parts)
  }

  delete(key: string): Promise<void> {
    return this.#change('delete', key, () => this.#inner.delete(key), [])
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    const fault = await this.#begin('get', key)
    const bytes = await this.#inner.get(key, range)
    if (fault?.kind === 'truncate') return bytes.slice(0, fault.bytes)
    return fault?.kind === 'flip-bit' ? withBitFlipped(bytes, fault.bit) : bytes
  }

  async head(key: string): Promise<{ readonly bytes: number } | undefined> {
    await this.#begin('head', key)
    return this.#inner.head(key)
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    await this.#begin('list', prefix)
    yield* this.#inner.list(prefix)
  }

  /** Applies now what was to be applied later, in the order it was asked for. */
  async applyDelayed(): Promise<void> {
    const due = this.#delayed
    this.#delayed = []
    for (const { apply } of due) await apply()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]()
  }

  async #change(
    operation: 'put' | 'delete',
    key: string,
    apply: (parts: readonly Uint8Array[]) => Promise<void>,
    parts: readonly Uint8Array[],
  ): Promise<void> {
    const bytes = parts.map((part) => Buffer.from(part))
    const fault = await this.#begin(operation, key)
    if (fault?.kind === 'apply-later') {
      this.#delayed.push({ operationsLeft: fault.operations, apply: () => swallow(apply(bytes)) })
      throw unavailable(operation, key, 'no answer yet')
    }
    await apply(bytes)
    if (fault?.kind === 'lose-response') throw unavailable(operation, key, 'the answer was lost')
  }

  /** Counts the call, lets what is due take effect, and rejects or waits as the plan says. */
  async #begin(operation: StoreOperation, key: string): Promise<StoreFault | undefined> {
    this.#counts[operation] += 1
    const fault = this.#plan(operation, key, this.#counts[operation])
    this.calls.push({ operation, key, fault })
    await this.#applyDue()
    if (fault?.kind === 'slow') await this.#clock.sleep(fault.ms)
    if (fault?.kind === 'fail') throw unavailable(operation, key, `status ${fault.status ?? 503}`)
    if (fault?.kind === 'full' && operation === 'put') {
      throw new Failure('store-full', `put of ${key}: no space left`, { key })
    }
    return fault
  }

  async #applyDue(): Promise<void> {
    const due = this.#delayed.filter((each) => each.operationsLeft <= 0)
    this.#delayed = this.#delayed.filter((each) => each.operationsLeft > 0)
    for (const each of this.#delayed) each.operationsLeft -= 1
    for (const { apply } of due) await apply()
  }
}

/** Nobody waits for the outcome of a call that its caller has given up. */
async function swallow(outcome: Promise<void>): Promise<void> {
  try {
    await outcome
  } catch (error) {
    if (!(error instanceof Failure)) throw error
  }
}

function withBitFlipped(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = Buffer.from(bytes)
  if (flipped.length === 0) return flipped
  const at = Math.floor(bit / 8) % flipped.length
  flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (bit % 8)), at)
  return flipped
}

function unavailable(operation: StoreOperation, key: string, reason: string): Failure {
  return new Failure('store-unavailable', `${operation} of ${key}: ${reason}`, { operation, key })
}
