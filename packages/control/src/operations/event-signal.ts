import type { Clock } from '@holdfast/base/clock'

/** Another replica's commits are not told here: they are looked for this often, once for all who follow. */
const LOOK_MS = 250
/** Who follows is woken this often though nothing happened: a key may have been revoked. */
const TICK_MS = 15_000

/** Somebody who follows the events. What happens between two calls of `next` is not missed. */
export class EventFollower implements Disposable {
  readonly #leave: (follower: EventFollower) => void
  #isWoken = false
  #waiting: (() => void) | undefined

  constructor(leave: (follower: EventFollower) => void) {
    this.#leave = leave
  }

  /** Resolves once there may be news since it last resolved. */
  async next(): Promise<void> {
    if (!this.#isWoken)
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
    this.#isWoken = false
  }

  wake(): void {
    this.#isWoken = true
    this.#waiting?.()
    this.#waiting = undefined
  }

  [Symbol.dispose](): void {
    this.#leave(this)
    this.wake()
  }
}

/** Wakes all who follow events: with one timer for all of them, which runs while there is one. */
export class EventSignal {
  readonly #clock: Clock
  readonly #lastId: () => Promise<number>
  readonly #followers = new Set<EventFollower>()
  #seenId = 0
  #isLooking = false

  constructor(clock: Clock, lastId: () => Promise<number>) {
    this.#clock = clock
    this.#lastId = lastId
  }

  follow(): EventFollower {
    const follower = new EventFollower((left) => this.#followers.delete(left))
    this.#followers.add(follower)
    if (!this.#isLooking) void this.#look()
    return follower
  }

  /** After a commit here: what followers read then holds all up to the number that is asked for before. */
  async tell(): Promise<void> {
    if (this.#followers.size === 0) return
    this.#seenId = (await this.#askId()) ?? this.#seenId
    this.wake()
  }

  wake(): void {
    for (const follower of this.#followers) follower.wake()
  }

  /** Undefined: the database did not answer. Its failure is told by what followers read. */
  #askId(): Promise<number | undefined> {
    return this.#lastId().catch(() => undefined)
  }

  async #look(): Promise<void> {
    this.#isLooking = true
    let tickMs = this.#clock.monotonicMs()
    while (this.#followers.size > 0) {
      await this.#clock.sleep(LOOK_MS)
      const id = await this.#askId()
      const nowMs = this.#clock.monotonicMs()
      const isTick = nowMs - tickMs >= TICK_MS
      if (isTick) tickMs = nowMs
      if (isTick || id !== this.#seenId) this.wake()
      this.#seenId = id ?? this.#seenId
    }
    this.#isLooking = false
  }
}
