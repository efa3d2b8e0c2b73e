import type { Clock } from '@holdfast/base/clock'
import { Failure, failureToWire, isFailure } from '@holdfast/base/failure'
import type { GenerationCause } from '@holdfast/protocol/generation'
import type { CommitRequest, CommittedGeneration } from '../commit/committer.ts'
import type { PutBudget } from './put-budget.ts'
import type { RightOfWay } from './right-of-way.ts'
import { Wakeup } from './wakeup.ts'
import { type Batch, type CommitAnswer, type CommitWish, WatchRequests } from './watch-requests.ts'
import type { Look, PinSettled, WatchRounds } from './watch-rounds.ts'
import type { MetFailure } from './watch-status.ts'

/** Captures for requests begin at least this far apart: those who come meanwhile share the next. */
const REQUESTS_APART_MS = 100
/** Reading the directory may take one part in this many of the time. */
const SCAN_SHARE = 10
/** Reading changed files counts as scanning: one big change does not stop the watch for longer than this. */
const SCAN_PAUSE_MS_MAX = 10_000
/** After the nth failure in a row; the last one for all further ones. */
const BACKOFF_MS = [100, 250, 500, 1000, 2000, 4000, 8000, 15_000] as const
/** Whoever waits for a commit is not left waiting for all of that. */
const BACKOFF_ASKED_MS_MAX = 500
/** The commit at the end is tried for this long. */
const FINAL_MS_MAX = 60_000

export interface FinalCommit {
  /** `stop` when absent. */
  readonly cause?: GenerationCause
  /** Tried for so long; a minute when absent. */
  readonly withinMs?: number
}
const SAVE_STATE_MS = 30_000

export interface WatchLoopDeps {
  readonly clock: Clock
  readonly rounds: WatchRounds
  readonly everyMs: number
  /** Slows the rounds down where puts cost money. */
  readonly budget: PutBudget | undefined
  /** Saves what the next process needs to find changes quickly; false if it cannot, and the next turn tries again. */
  readonly saveState: () => boolean
  readonly rightOfWay: RightOfWay
  readonly onCommitted: (generation: CommittedGeneration) => void
  /** Called when `lastFailure` is another. */
  readonly onFailed: () => void
}

type Turn = 'requests' | 'periodic' | 'final'

/** Decides when the next round is due, whom it answers, and what its failure means. */
export class WatchLoop {
  readonly #deps: WatchLoopDeps
  readonly #requests = new WatchRequests()
  readonly #wakeup: Wakeup
  #periodicAt = Number.NEGATIVE_INFINITY
  #requestsAt = Number.NEGATIVE_INFINITY
  #failedAt = Number.NEGATIVE_INFINITY
  #failures = 0
  #lastFailure: MetFailure | null = null
  #lastCommittedAt: number | null = null
  #commitMs = 0
  #finishBy: number | undefined
  #finalCause: GenerationCause = 'stop'
  #abandoned: Failure | undefined
  #ended: Failure | undefined
  #isStateSaved = true
  #savedAt: number

  constructor(deps: WatchLoopDeps) {
    this.#deps = deps
    this.#wakeup = new Wakeup(deps.clock)
    this.#savedAt = deps.clock.monotonicMs()
  }

  get lastFailure(): MetFailure | null {
    return this.#lastFailure
  }

  get lastCommittedAt(): number | null {
    return this.#lastCommittedAt
  }

  get isFinishing(): boolean {
    return this.#finishBy !== undefined
  }

  /** Time from one look at the directory to the end of the next one's commit. */
  get rpoMs(): number {
    return this.#pauseMs() + this.#commitMs
  }

  /** Resolves when a commit whose capture began after this call is durable, or nothing had changed. */
  request(wish: CommitWish): Promise<CommitAnswer> {
    if (this.#ended) return Promise.reject(this.#ended)
    const answer = this.#requests.add(wish)
    this.#wakeup.ring()
    return answer
  }

  /**
   * Fixes the present state on the local disk and has it committed as a checkpoint soon, as `WatchRounds.pin` does;
   * `onSettled` is told once what became of it, at the latest when the loop has ended.
   */
  async pin(message: string, onSettled: (settled: PinSettled) => void): ReturnType<WatchRounds['pin']> {
    if (this.#ended) throw this.#ended
    const request: CommitRequest = { cause: 'checkpoint', message, always: true }
    const taken = await this.#deps.rounds.pin(request, (settled) => {
      if ('outcome' in settled && settled.outcome.kind === 'committed') this.#note(settled.outcome.generation)
      onSettled(settled)
    })
    if (this.#ended) await this.#deps.rounds.settlePins(this.#ended)
    this.#wakeup.ring()
    return taken
  }

  /** Lets `run` commit once more and end; the first call counts. */
  finish({ cause = 'stop', withinMs = FINAL_MS_MAX }: FinalCommit = {}): void {
    if (this.#finishBy === undefined) {
      this.#finishBy = this.#deps.clock.monotonicMs() + withinMs
      this.#finalCause = cause
    }
    this.#wakeup.ring()
  }

  /** Lets `run` end without a further commit, with this failure. */
  abandon(failure: Failure): void {
    this.#abandoned ??= failure
    this.#wakeup.ring()
  }

  /** Runs until `finish`, resolving with null, or until a failure that does not pass. */
  async run(): Promise<Failure | null> {
    let outcome: Failure | null | undefined
    while (outcome === undefined) {
      const turn = await this.#nextTurn()
      outcome = this.#abandoned ?? (await this.#take(turn))
    }
    this.#ended = outcome ?? new Failure('not-found', 'the watch has ended')
    this.#requests.rejectAll(this.#ended)
    await this.#deps.rounds.settlePins(this.#ended)
    if (!this.#isStateSaved) this.#saveState()
    return outcome
  }

  /** Sleeps until a turn is due. */
  async #nextTurn(): Promise<Turn> {
    for (;;) {
      const now = this.#deps.clock.monotonicMs()
      const [turn, dueAt] = this.#due()
      if (this.#abandoned) return turn
      const waitMs = Math.max(dueAt, this.#failedAt + this.#backoffMs(turn)) - now
      if (!(waitMs > 0)) return turn
      await this.#wakeup.sleep(waitMs)
    }
  }

  #due(): [turn: Turn, dueAt: number] {
    if (this.isFinishing && !this.#requests.hasCheckpoint) return ['final', 0]
    if (this.isFinishing) return ['requests', 0]
    if (this.#deps.rounds.hasPinned) return ['periodic', Number.NEGATIVE_INFINITY]
    return this.#requests.isEmpty ? ['periodic', this.#periodicAt] : ['requests', this.#requestsAt]
  }

  /** Undefined while the watch goes on, else how it ended. */
  async #take(turn: Turn): Promise<Failure | null | undefined> {
    const batch = this.#requests.take()
    const beganAt = this.#deps.clock.monotonicMs()
    if (turn === 'requests') this.#requestsAt = beganAt + REQUESTS_APART_MS
    try {
      const found = await this.#deps.rightOfWay.during(() => this.#round(turn, batch))
      this.#settle(found, beganAt)
      return turn === 'final' ? null : undefined
    } catch (caught) {
      return this.#fail(turn, batch, failureOf(caught))
    } finally {
      this.#periodicAt = beganAt + this.#pauseMs()
    }
  }

  async #round(turn: Turn, batch: Batch): Promise<Look> {
    const { rounds } = this.#deps
    if (turn === 'periodic' && batch.isEmpty) return rounds.look({ cause: 'periodic', message: '' })
    const outcome = await rounds.commit(commitRequestOf(batch, turn === 'final' ? this.#finalCause : 'sync'))
    batch.answer(outcome)
    return outcome
  }

  #settle(found: Look, beganAt: number): void {
    const { clock } = this.#deps
    const now = clock.monotonicMs()
    this.#failures = 0
    this.#lastFailure = null
    if (found.kind === 'committed') {
      this.#commitMs = now - beganAt
      this.#note(found.generation)
    }
    if (!this.#isStateSaved && now - this.#savedAt >= SAVE_STATE_MS) this.#saveState()
  }

  #note(generation: CommittedGeneration): void {
    const { clock, budget, onCommitted } = this.#deps
    this.#lastCommittedAt = clock.wallMs()
    this.#isStateSaved = false
    budget?.spend(clock.monotonicMs(), generation.newObjects)
    onCommitted(generation)
  }

  #fail(turn: Turn, batch: Batch, failure: Failure): Failure | undefined {
    const { clock } = this.#deps
    const now = clock.monotonicMs()
    this.#lastFailure = { ...failureToWire(failure), metAt: clock.wallMs() }
    this.#deps.onFailed()
    batch.fail(failure)
    const isLate = this.#finishBy !== undefined && now >= this.#finishBy
    if (endsWatch(failure) || (turn === 'final' && (isLate || !failure.retryable))) return failure
    this.#failedAt = now
    this.#failures++
    return undefined
  }

  #backoffMs(turn: Turn): number {
    if (this.#failures === 0) return 0
    const backoffMs = BACKOFF_MS[Math.min(this.#failures, BACKOFF_MS.length) - 1] ?? 0
    return turn === 'periodic' ? backoffMs : Math.min(backoffMs, BACKOFF_ASKED_MS_MAX)
  }

  #pauseMs(): number {
    const scanPauseMs = Math.min(SCAN_SHARE * this.#deps.rounds.scanMs, SCAN_PAUSE_MS_MAX)
    const { budget, clock, everyMs } = this.#deps
    return Math.max(budget?.pauseMs(clock.monotonicMs(), everyMs) ?? everyMs, scanPauseMs)
  }

  #saveState(): void {
    this.#isStateSaved = this.#deps.saveState()
    this.#savedAt = this.#deps.clock.monotonicMs()
  }
}

function commitRequestOf(batch: Batch, cause: GenerationCause): CommitRequest {
  const message = batch.checkpointMessage
  if (message !== undefined) return { cause: 'checkpoint', message, always: true }
  return { cause, message: '' }
}

/** Failures that no later round of this process can get over. */
function endsWatch(failure: Failure): boolean {
  return failure.kind === 'fenced' || failure.kind === 'broken' || failure.code === 'helper-failed'
}

function failureOf(caught: unknown): Failure {
  const error: unknown = caught instanceof SuppressedError ? caught.error : caught
  if (isFailure(error)) return error
  const { code, message, details } = failureToWire(error)
  return new Failure(code, message, details, error)
}
