import { Failure } from '@holdfast/base/failure'
import type { CommitOutcome } from '../commit/committer.ts'

/** The commit that answers a request. */
export interface CommitAnswer {
  /** `unchanged`: the generation, which is older than the request, holds all that was written before it. */
  readonly kind: 'committed' | 'unchanged'
  readonly generation: string
  readonly sequence: number
  readonly newBytes: number
  readonly newObjects: number
}

export type CommitWish =
  | { readonly kind: 'sync' }
  /** A generation of its own, also when nothing has changed. */
  | { readonly kind: 'checkpoint'; readonly message: string }

interface Waiter {
  readonly wish: CommitWish
  readonly resolve: (answer: CommitAnswer) => void
  readonly reject: (failure: Failure) => void
  attempts: number
}

/** A request is told of a failure that passes when this many rounds have met it. */
const ATTEMPTS_MAX = 3
const WAITERS_MAX = 10_000

/** Those who wait for a commit: all that came before a capture share it, checkpoints have one each. */
export class WatchRequests {
  #waiters: Waiter[] = []

  get isEmpty(): boolean {
    return this.#waiters.length === 0
  }

  get hasCheckpoint(): boolean {
    return this.#waiters.some(({ wish }) => wish.kind === 'checkpoint')
  }

  /** Resolves when a commit whose capture began after this call is durable. */
  add(wish: CommitWish): Promise<CommitAnswer> {
    if (this.#waiters.length >= WAITERS_MAX)
      return Promise.reject(new Failure('invalid-argument', `more than ${WAITERS_MAX} wait for a commit`))
    return new Promise((resolve, reject) => {
      this.#waiters.push({ wish, resolve, reject, attempts: 0 })
    })
  }

  /** Takes those whom the next capture answers: every sync and the first checkpoint. */
  take(): Batch {
    const checkpoint = this.#waiters.find(({ wish }) => wish.kind === 'checkpoint')
    const taken = this.#waiters.filter((waiter) => waiter.wish.kind === 'sync' || waiter === checkpoint)
    this.#waiters = this.#waiters.filter((waiter) => !taken.includes(waiter))
    return new Batch(taken, (again) => this.#waiters.unshift(...again))
  }

  rejectAll(failure: Failure): void {
    for (const waiter of this.#waiters) waiter.reject(failure)
    this.#waiters = []
  }
}

/** The requests that one capture answers. */
export class Batch {
  readonly #waiters: readonly Waiter[]
  readonly #putBack: (waiters: readonly Waiter[]) => void

  constructor(waiters: readonly Waiter[], putBack: (waiters: readonly Waiter[]) => void) {
    this.#waiters = waiters
    this.#putBack = putBack
  }

  get isEmpty(): boolean {
    return this.#waiters.length === 0
  }

  /** The message of the checkpoint among them. */
  get checkpointMessage(): string | undefined {
    for (const { wish } of this.#waiters) if (wish.kind === 'checkpoint') return wish.message
    return undefined
  }

  answer(outcome: CommitOutcome): void {
    for (const waiter of this.#waiters) waiter.resolve(answerOf(outcome))
  }

  /** Those who have waited long enough are told; the others wait for the next capture. */
  fail(failure: Failure): void {
    const again: Waiter[] = []
    for (const waiter of this.#waiters) {
      waiter.attempts++
      if (failure.retryable && waiter.attempts < ATTEMPTS_MAX) again.push(waiter)
      else waiter.reject(failure)
    }
    this.#putBack(again)
  }
}

/** What a person or a program wants to know of a commit's outcome. */
export function answerOf(outcome: CommitOutcome): CommitAnswer {
  if (outcome.kind === 'unchanged') {
    const { id, sequence } = outcome.head
    return { kind: 'unchanged', generation: id, sequence, newBytes: 0, newObjects: 0 }
  }
  const { id, sequence, newBytes, newObjects } = outcome.generation
  return { kind: 'committed', generation: id, sequence, newBytes, newObjects }
}
