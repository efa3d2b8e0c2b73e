import { assert } from '@holdfast/base/assert'
import { isFailure } from '@holdfast/base/failure'
import type { PreparedSandbox, Sandbox, StartRequest } from '../runtime.ts'

export interface Started {
  readonly sandbox: Sandbox
  readonly start: 'warm' | 'cold'
}

export interface ReservationParts {
  /** What the sandbox will be called. */
  readonly id: string
  /** One that waited, or is being made; undefined where the runtime makes none without a volume. */
  readonly prepared: PreparedSandbox | Promise<PreparedSandbox> | undefined
  readonly isWarm: boolean
  /** A fresh one on the volume. */
  readonly startFresh: (request: StartRequest) => Promise<Sandbox>
  /** Takes back what nobody used. */
  readonly giveBack: (prepared: PreparedSandbox) => Promise<void>
}

/** A sandbox for a workspace whose lease and volume are still on their way. Disposing of one that is unused gives it back. */
export class Reservation implements AsyncDisposable {
  readonly id: string
  readonly #parts: ReservationParts
  #isUsed = false

  constructor(parts: ReservationParts) {
    this.id = parts.id
    this.#parts = parts
    if (parts.prepared instanceof Promise) parts.prepared.catch(() => {}) // told to who starts it
  }

  /** Only a name: the sandbox begins with its volume. */
  static ofNone(id: string, startFresh: ReservationParts['startFresh']): Reservation {
    return new Reservation({ id, prepared: undefined, isWarm: false, startFresh, giveBack: async () => {} })
  }

  /** Once, with its id. One that died meanwhile has left nothing: a fresh one takes its name. Rejects as `Runtime.start`. */
  async start(request: StartRequest): Promise<Started> {
    assert(!this.#isUsed && request.id === this.id, 'a reserved sandbox is started once, by its name')
    this.#isUsed = true
    const { isWarm, startFresh } = this.#parts
    const sandbox = await this.#claim(request)
    if (sandbox) return { sandbox, start: isWarm ? 'warm' : 'cold' }
    return { sandbox: await startFresh(request), start: 'cold' }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isUsed) return
    this.#isUsed = true
    const prepared = await Promise.resolve(this.#parts.prepared).catch(() => undefined)
    if (prepared) await this.#parts.giveBack(prepared)
  }

  /** Undefined where it cannot be used: a fresh one may do, or tells why not. */
  async #claim(request: StartRequest): Promise<Sandbox | undefined> {
    const { volumePath, packs = [], deadlineBootMs, spec } = request
    try {
      const prepared = await this.#parts.prepared
      return await prepared?.claim({ volumePath, packs, deadlineBootMs, environment: spec.environment })
    } catch (error) {
      if (!isFailure(error)) throw error
      return undefined
    }
  }
}
