import type { Clock } from '@holdfast/base/clock'

/** Commits without a pause between them slow other work down to a slice in this time; they never stop it. */
const WAIT_MS_MAX = 200

/** Lets a commit go first: other work of the process stands still while one is under way. */
export class RightOfWay {
  readonly #clock: Clock
  #underWay: Promise<void> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Runs what goes first; one at a time. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#underWay = promise
    try {
      return await work()
    } finally {
      this.#underWay = undefined
      resolve()
    }
  }

  /** Resolves when nothing goes first, or after a while. */
  async giveWay(): Promise<void> {
    if (this.#underWay === undefined) return
    const over = new AbortController()
    const late = this.#clock.sleep(WAIT_MS_MAX, over.signal).catch(() => {}) // ended by the other
    await Promise.race([this.#underWay, late])
    over.abort()
  }
}
