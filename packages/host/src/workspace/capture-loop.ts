import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { CommittedGeneration } from '@holdfast/generations/commit/committer'
import { putBudgetFor } from '@holdfast/generations/directory/put-budget'
import { RightOfWay } from '@holdfast/generations/directory/right-of-way'
import { type FinalCommit, WatchLoop } from '@holdfast/generations/directory/watch-loop'
import type { CommitWish } from '@holdfast/generations/directory/watch-requests'
import { type PinSettled, WatchRounds } from '@holdfast/generations/directory/watch-rounds'
import { percentile } from '@holdfast/generations/directory/watch-status'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import type { Volume } from '@holdfast/generations/volume/volume'
import type { FrozenWorkload } from './frozen-workload.ts'
import type { ResidentFiles, ResidentWriter, Upkeep } from './resident-files.ts'

/** Where the guest has its files: databases are checked there. */
const GUEST_PATH = '/workspace'

/** What is told of a generation as soon as it is the head. */
export type CommittedRow = Pick<GenerationRow, 'id' | 'sequence' | 'cause' | 'message' | 'files' | 'bytes'>

export interface CaptureParts {
  readonly clock: Clock
  readonly files: Pick<ResidentFiles, 'index' | 'storeAddress' | 'maintain' | 'pins'>
  readonly writer: ResidentWriter
  readonly volume: Volume
  readonly workload: FrozenWorkload
  /** How often to look for changes. */
  readonly everyMs: number
  readonly onCommitted: (generation: CommittedRow) => void
  /** What became of a checkpoint that was taken locally. */
  readonly onPinned: (message: string, settled: PinSettled) => void
  /** The loop has ended by itself: nothing is committed any more. */
  readonly onFailed: (failure: Failure) => void
}

export interface Durable {
  readonly generation: GenerationRow
  readonly isNew: boolean
  readonly frozenMs: number
}

/** A checkpoint whose generation is still to come. */
export interface TakenLocally {
  readonly generation: null
  readonly takenAt: number
  readonly frozenMs: number
}

/** How far the history is behind the files. */
export interface CaptureFacts {
  readonly head: string | null
  readonly sequence: number
  readonly lastDurableAt: number | null
  readonly syncLagMs: number
  readonly rpoMs: number
  readonly frozenMsP95: number
}

/** Commits the files of a running workspace again and again, and for whoever asks. */
export class CaptureLoop implements AsyncDisposable {
  readonly #parts: CaptureParts
  readonly #rounds: WatchRounds
  readonly #rightOfWay: RightOfWay
  #maintenance: Upkeep | undefined
  #beginning: Promise<void> | undefined
  #loop: WatchLoop
  #ended: Promise<Failure | null>
  #isFinishing = false
  #isQuiet = false

  private constructor(parts: CaptureParts) {
    const { clock, volume, writer, workload } = parts
    this.#parts = parts
    const capture = workload.capture.bind(workload, volume)
    this.#rounds = new WatchRounds({ clock, volume: { capture }, writer, workload })
    this.#rightOfWay = new RightOfWay(clock)
    this.#loop = this.#makeLoop()
    this.#ended = this.#run()
  }

  /** Begins at once. */
  static start(parts: CaptureParts): CaptureLoop {
    const loop = new CaptureLoop(parts)
    loop.#maintain()
    return loop
  }

  /** Durable when it resolves: all that was written before the call. Rejects as a commit does. */
  sync(): Promise<Durable> {
    return this.#commit({ kind: 'sync' })
  }

  /** A generation with a message, durable when it resolves. */
  checkpoint(message: string): Promise<Durable> {
    return this.#commit({ kind: 'checkpoint', message })
  }

  /**
   * The same, fixed on this disk when it resolves; what becomes of it is told later. A volume that cannot do that makes
   * it durable.
   */
  async checkpointLocally(message: string): Promise<Durable | TakenLocally> {
    const { files, onPinned } = this.#parts
    const { pins } = files
    const key = pins.add(message)
    const drop = () => pins.remove(key)
    const settle = (settled: PinSettled) => {
      drop()
      onPinned(message, settled)
    }
    try {
      const taken = await this.#loop.pin(message, settle)
      if (taken) return { generation: null, takenAt: taken.takenAtMs, frozenMs: taken.frozenMs }
    } catch (error) {
      drop()
      throw error
    }
    drop()
    return await this.checkpoint(message)
  }

  /** Commits once more and ends; resolves to why that failed, else to null. `resume` begins again. */
  async finish(final: FinalCommit): Promise<Failure | null> {
    await this.quiesce()
    this.#isFinishing = true
    this.#loop.finish(final)
    return await this.#ended
  }

  /** Ends the upkeep of the history beside the commits, so that a last commit need not wait for it. */
  async quiesce(): Promise<void> {
    this.#isQuiet = true
    await this.#beginning
    await this.#maintenance?.[Symbol.asyncDispose]()
    this.#maintenance = undefined
  }

  /** Goes on after a last commit that failed, or that was one too early, or after `quiesce`. */
  resume(): void {
    this.#isQuiet = false
    if (this.#isFinishing) {
      this.#isFinishing = false
      this.#loop = this.#makeLoop()
      this.#ended = this.#run()
    }
    this.#maintain()
  }

  get head(): ResidentWriter['head'] {
    return this.#parts.writer.head
  }

  /** The moment, on the monotonic clock, whose state the history is known to hold. */
  get settledAt(): number {
    return this.#rounds.settledAt
  }

  get facts(): CaptureFacts {
    const { clock } = this.#parts
    const sinceSettledMs = clock.monotonicMs() - this.#rounds.settledAt
    return {
      head: this.head?.id ?? null,
      sequence: this.head?.sequence ?? 0,
      lastDurableAt: this.head === null ? null : clock.wallMs() - sinceSettledMs,
      syncLagMs: this.#rounds.isStill() ? 0 : sinceSettledMs,
      rpoMs: this.#loop.rpoMs,
      frozenMsP95: percentile(this.#rounds.frozenMs, 0.95),
    }
  }

  /** Ends without a further commit. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isFinishing = true
    await this.quiesce()
    this.#loop.abandon(new Failure('invalid-state', 'the workspace is not open any more'))
    await this.#ended
  }

  async #commit(wish: CommitWish): Promise<Durable> {
    const answer = await this.#loop.request(wish)
    const generation = await this.#parts.files.index.generation(answer.generation)
    return { generation, isNew: answer.kind === 'committed', frozenMs: this.#rounds.frozenMs.at(-1) ?? 0 }
  }

  #makeLoop(): WatchLoop {
    const { clock, files, writer, everyMs, onCommitted } = this.#parts
    return new WatchLoop({
      clock,
      rounds: this.#rounds,
      everyMs,
      budget: putBudgetFor(files.storeAddress, clock.monotonicMs()),
      saveState: () => writer.saveState(),
      rightOfWay: this.#rightOfWay,
      onCommitted: (generation: CommittedGeneration) => {
        onCommitted(generation)
        this.#maintain()
        this.#maintenance?.noteCommit(generation)
      },
      onFailed: () => {},
    })
  }

  async #run(): Promise<Failure | null> {
    const failure = await this.#loop.run()
    if (failure && !this.#isFinishing) this.#parts.onFailed(failure)
    return failure
  }

  /** Upkeep begins beside the captures; where the history does not answer, the next commit tries again. */
  #maintain(): void {
    if (this.#isQuiet || this.#maintenance) return
    this.#beginning ??= this.#beginMaintenance().finally(() => {
      this.#beginning = undefined
    })
  }

  async #beginMaintenance(): Promise<void> {
    const { files, writer } = this.#parts
    const request = {
      lease: writer.lease,
      rightOfWay: this.#rightOfWay,
      mountPath: GUEST_PATH,
      onWork: () => {},
    }
    try {
      this.#maintenance = await files.maintain(request)
    } catch (error) {
      if (!isFailure(error)) throw error
    }
  }
}
