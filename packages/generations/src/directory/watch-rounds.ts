import type { Clock } from '@holdfast/base/clock'
import { type Failure, isFailure } from '@holdfast/base/failure'
import type { CommitOutcome, CommitRequest } from '../commit/committer.ts'
import { type Capture, type Freezer, type Image, isEmpty, type Volume } from '../volume/volume.ts'

/** What a round needs of the writer of a history. */
export interface RoundWriter {
  commit(image: Image, request: CommitRequest): Promise<CommitOutcome>
  prepare(image: Image): Promise<'unchanged' | 'little' | 'stored'>
}

/** What a round needs to know of the processes that write the directory. */
export interface RoundWorkload {
  readonly freezer: Freezer | null
  /** CPU time used so far; null where it is not known. */
  cpuNs(): number | null
}

export interface RoundDeps {
  readonly clock: Clock
  readonly volume: Pick<Volume, 'capture'>
  readonly writer: RoundWriter
  readonly workload: RoundWorkload
}

/** What a look at the directory found. */
export type Look =
  | CommitOutcome
  /** Nothing is other than in the head. */
  | { readonly kind: 'same' }
  /** Nothing ran since the last round. */
  | { readonly kind: 'still' }

/** A state that is fixed on the local disk, and that the next round commits before all else. */
interface PinnedState {
  readonly capture: Capture
  readonly request: CommitRequest
  readonly start: Start
  readonly onSettled: (settled: PinSettled) => void
}

/** What became of a pinned state: it is the head, or it never will be. */
export type PinSettled = { readonly outcome: CommitOutcome } | { readonly failure: Failure }

/** After a commit of this many bytes the next is prepared too: whoever writes much goes on to. */
const MUCH_BYTES_MIN = 4 << 20
/** Others than the workload may write the directory: it is read at least this often, also while nothing runs. */
const READ_AGAIN_MS = 60_000
const FROZEN_TIMES_MAX = 256

/**
 * The captures and commits of one watch, one after another. While the workload runs it is looked at without a freeze
 * first, unless the last round found changes: most of what changes is then stored before the freeze, and a workload
 * that runs but writes nothing is never frozen at all.
 */
export class WatchRounds {
  readonly #deps: RoundDeps
  #last: 'none' | 'changed' | 'unchanged' = 'none'
  #lastBytes = 0
  /** The CPU counter before the last round that ended well. */
  #settledCpuNs: number | null = null
  #readAt = Number.NEGATIVE_INFINITY
  #settledAt: number
  #scanMs = 0
  readonly #frozenMs: number[] = []
  /** The oldest first. */
  readonly #pinned: PinnedState[] = []

  constructor(deps: RoundDeps) {
    this.#deps = deps
    this.#settledAt = deps.clock.monotonicMs()
  }

  /** How long the last round read the directory, all of it; 0 where the volume knew what had changed. */
  get scanMs(): number {
    return this.#scanMs
  }

  /** The moment, on the monotonic clock, whose state the history is known to hold. */
  get settledAt(): number {
    return this.#settledAt
  }

  /** How long the writers stood still for each of the last captures, in milliseconds; the newest last. */
  get frozenMs(): readonly number[] {
    return this.#frozenMs
  }

  /** True if nothing of the workload has run since the last round that ended well. */
  isStill(cpuNs: number | null = this.#deps.workload.cpuNs()): boolean {
    return cpuNs !== null && cpuNs === this.#settledCpuNs
  }

  /** States wait that somebody was told of. */
  get hasPinned(): boolean {
    return this.#pinned.length > 0
  }

  /**
   * Fixes the present state on the local disk: resolves with how long the writers stood still, whatever round is under
   * way. The next round commits exactly this state, and tries again until it can or `settlePins`. Undefined for a volume
   * whose captures last only as long as its writers stand still. Rejects as a capture does.
   */
  async pin(
    request: CommitRequest,
    onSettled: (settled: PinSettled) => void,
  ): Promise<{ readonly frozenMs: number; readonly takenAtMs: number } | undefined> {
    const start = this.#begin()
    const capture = await this.#deps.volume.capture(this.#deps.workload.freezer)
    const { takenAtMs } = capture.image
    if (takenAtMs === undefined) {
      await capture[Symbol.asyncDispose]()
      return undefined
    }
    this.#pinned.push({ capture, request, start, onSettled })
    this.#recordFrozen(capture.frozenMs)
    return { frozenMs: capture.frozenMs, takenAtMs }
  }

  /** Gives up what is still pinned. */
  async settlePins(failure: Failure): Promise<void> {
    for (const pinned of this.#pinned.splice(0)) await dropPin(pinned, failure)
  }

  /** In the order in which they were taken, so that no head is ever of an earlier state than the one before it. */
  async #commitPinned(): Promise<void> {
    for (let pinned = this.#pinned[0]; pinned !== undefined; pinned = this.#pinned[0]) {
      const outcome = await this.#tryPinned(pinned)
      this.#pinned.shift()
      if (isFailure(outcome)) {
        await dropPin(pinned, outcome)
        if (outcome.kind !== 'refused') throw outcome
      } else {
        this.#settle(pinned.start, 'changed')
        pinned.onSettled({ outcome })
        await using capture = pinned.capture
        await acceptOutcome(capture, outcome)
      }
    }
  }

  /** A failure that no further try gets over; rejects with one that passes. */
  async #tryPinned({ capture, request }: PinnedState): Promise<CommitOutcome | Failure> {
    try {
      return await this.#deps.writer.commit(capture.image, request)
    } catch (error) {
      if (isFailure(error) && !error.retryable) return error
      throw error
    }
  }

  /** Commits what has changed, if anything has. Rejects as capture and commit do. */
  async look(request: CommitRequest): Promise<Look> {
    await this.#commitPinned()
    const start = this.#begin()
    if (this.isStill(start.cpuNs) && start.at - this.#readAt < READ_AGAIN_MS) {
      this.#settledAt = start.at
      return { kind: 'still' }
    }
    const mayBeSame = this.#deps.workload.freezer !== null && this.#last !== 'changed'
    const prepared = mayBeSame ? await this.#prepare() : undefined
    if (prepared === 'unchanged') {
      this.#settle(start, 'unchanged')
      return { kind: 'same' }
    }
    return this.#commit(request, start, prepared)
  }

  /** Commits a cut that is taken after the call. Rejects as capture and commit do. */
  commit(request: CommitRequest): Promise<CommitOutcome> {
    return this.#commit(request, this.#begin(), undefined)
  }

  #begin(): Start {
    return { at: this.#deps.clock.monotonicMs(), cpuNs: this.#deps.workload.cpuNs() }
  }

  /** Looks while the writers run; where the next capture would read under its freeze, it stores most of what changed. */
  async #prepare(): Promise<'unchanged' | 'little' | 'stored'> {
    const { clock, volume, writer } = this.#deps
    const beganAt = clock.monotonicMs()
    await using capture = await volume.capture(null)
    const { changes } = capture.image
    const isListed = changes.kind === 'listed'
    // Every file of a doubted directory is read by each capture: once is enough.
    if ((isListed && !isEmpty(changes)) || capture.image.isDoubted) return 'little'
    try {
      return await writer.prepare(capture.image)
    } catch (error) {
      if (isFailure(error, 'file-unstable')) return 'little'
      throw error
    } finally {
      this.#scanMs = isListed ? 0 : clock.monotonicMs() - beganAt
    }
  }

  async #commit(
    request: CommitRequest,
    start: Start,
    prepared: 'little' | 'stored' | undefined,
  ): Promise<CommitOutcome> {
    const { freezer } = this.#deps.workload
    const expectsMuch = this.#last === 'none' || this.#lastBytes >= MUCH_BYTES_MIN
    if (freezer && expectsMuch && prepared === undefined) await this.#prepare()
    await using capture = await this.#deps.volume.capture(freezer)
    if (capture.image.takenAtMs !== undefined) await this.#commitPinned()
    const outcome = await this.#deps.writer.commit(this.#imageOf(capture), request)
    await acceptOutcome(capture, outcome)
    if (freezer) this.#recordFrozen(capture.frozenMs)
    this.#lastBytes = outcome.kind === 'committed' ? outcome.generation.newBytes : 0
    this.#settle(start, outcome.kind === 'committed' ? 'changed' : 'unchanged')
    return outcome
  }

  #imageOf({ image }: Capture): Image {
    const { clock } = this.#deps
    const beganAt = clock.monotonicMs()
    const release = async () => {
      this.#scanMs = image.changes.kind === 'listed' ? 0 : clock.monotonicMs() - beganAt
      await image.release?.()
    }
    return { ...image, release }
  }

  #settle(start: Start, last: 'changed' | 'unchanged'): void {
    this.#last = last
    this.#settledCpuNs = start.cpuNs
    this.#settledAt = start.at
    this.#readAt = start.at
  }

  #recordFrozen(frozenMs: number): void {
    this.#frozenMs.push(frozenMs)
    if (this.#frozenMs.length > FROZEN_TIMES_MAX) this.#frozenMs.shift()
  }
}

interface Start {
  readonly at: number
  readonly cpuNs: number | null
}

async function dropPin({ capture, onSettled }: PinnedState, failure: Failure): Promise<void> {
  onSettled({ failure })
  await capture[Symbol.asyncDispose]()
}

/** Tells the volume which generation holds a capture. */
export async function acceptOutcome(capture: Capture, outcome: CommitOutcome): Promise<void> {
  const { id, cause } = outcome.kind === 'committed' ? outcome.generation : outcome.head
  await capture.accept(id, { keep: cause === 'checkpoint' })
}
