import { Failure } from '@holdfast/base/failure'

/** Work of one adapter in memory, one after another, as transactions that all touch the same rows. */
export class OpenedTurns {
  #last: Promise<unknown> = Promise.resolve()
  #isClosed = false

  /** Rejects with `index-unavailable` after `close`. */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new Failure('index-unavailable', 'the leases are closed'))
    const done = this.#last.then(work)
    this.#last = done.catch(() => {}) // told to whoever asked
    return done
  }

  close(): void {
    this.#isClosed = true
  }
}
