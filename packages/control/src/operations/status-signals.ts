import type { Clock } from '@holdfast/base/clock'
import type { EventRecord } from '../domain/event.ts'
import type { Store } from '../ports/store.ts'
import { type EventFollower, EventSignal } from './event-signal.ts'

/** Another replica's commits are not told here: they are seen within this. */
const LOOK_MS = 250

type EventQuestion = Parameters<Store['read']['events']['list']>[0]

/** Wakes who waits for a workspace, or follows events, when a commit touched them. */
export class StatusSignals implements Disposable {
  readonly #clock: Clock
  readonly #store: Store
  readonly #wakers = new Map<string, Set<() => void>>()
  readonly #events: EventSignal
  readonly #stop: () => void
  /** Begun since the last commit, and not over. */
  #eventReads = new Map<string, Promise<readonly EventRecord[]>>()

  constructor(clock: Clock, store: Store) {
    this.#clock = clock
    this.#store = store
    this.#events = new EventSignal(clock, () => store.read.events.lastId())
    this.#stop = store.onCommitted(({ workspaces, hasEvents }) => {
      for (const id of workspaces) this.#wake(id)
      if (!hasEvents) return
      this.#eventReads = new Map()
      void this.#events.tell()
    })
  }

  /** The first answer of `look` that is not undefined; undefined once `waitMs` have passed or `signal` says so. */
  async until<T>(
    topic: string,
    waitMs: number,
    look: () => Promise<T | undefined>,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    const deadline = this.#clock.monotonicMs() + waitMs
    while (!signal?.aborted) {
      const changed = this.#next(topic)
      const found = await look()
      const leftMs = deadline - this.#clock.monotonicMs()
      if (found !== undefined || leftMs <= 0) {
        changed.cancel()
        return found
      }
      await this.#sleep(changed, Math.min(leftMs, LOOK_MS), signal)
    }
    return undefined
  }

  /** For one who reads the events as they come; it is the caller's to dispose of. */
  followEvents(): EventFollower {
    return this.#events.follow()
  }

  /** The same for all who ask the same at the same time: a commit wakes a thousand followers at once. */
  async readEvents(question: EventQuestion): Promise<readonly EventRecord[]> {
    const reads = this.#eventReads
    const key = JSON.stringify(question)
    const underWay = reads.get(key)
    if (underWay !== undefined) return await underWay
    const read = this.#store.read.events.list(question).finally(() => reads.delete(key))
    reads.set(key, read)
    return await read
  }

  [Symbol.dispose](): void {
    this.#stop()
    for (const topic of [...this.#wakers.keys()]) this.#wake(topic)
    this.#events.wake()
  }

  #next(topic: string): { readonly happened: Promise<void>; cancel(): void } {
    const wakers = this.#wakers.get(topic) ?? new Set()
    this.#wakers.set(topic, wakers)
    const { promise, resolve } = Promise.withResolvers<void>()
    wakers.add(resolve)
    return {
      happened: promise,
      cancel: () => {
        wakers.delete(resolve)
        if (wakers.size === 0 && this.#wakers.get(topic) === wakers) this.#wakers.delete(topic)
      },
    }
  }

  async #sleep(
    changed: { happened: Promise<void>; cancel(): void },
    ms: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const done = new AbortController()
    const stop = signal ? AbortSignal.any([signal, done.signal]) : done.signal
    try {
      await Promise.race([changed.happened, this.#clock.sleep(ms, stop).catch(() => undefined)])
    } finally {
      done.abort(null)
      changed.cancel()
    }
  }

  #wake(topic: string): void {
    const wakers = this.#wakers.get(topic)
    this.#wakers.delete(topic)
    for (const wake of wakers ?? []) wake()
  }
}
