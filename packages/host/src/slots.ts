import { Failure } from '@holdfast/base/failure'

/** Lets so many at once, and so many wait. */
export class Slots {
  #free: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []

  constructor(bounds: { readonly atOnce: number; readonly waiting: number }) {
    this.#free = bounds.atOnce
    this.#waitingMax = bounds.waiting
  }

  /** Rejects with `overloaded` when too many wait already. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await this.#turn()
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free += 1
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= this.#waitingMax)
      throw new Failure('overloaded', 'too many databases are being read on this host')
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
