import type { Clock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { GenerationCommit, GenerationIndex, HeldLease } from '../index/generation-index.ts'
import { appendGeneration } from './append-generation.ts'

/** What becomes of a submission: one of the two, once. */
export interface SubmissionEnds<S> {
  /** It is the head. */
  accept(submission: S): void
  /** It is not, and never will be. */
  discard(submission: S, failure: unknown): void
}

/** The commits of one writer, one at a time: none is submitted while the outcome of another is unknown. */
export class Submissions<S extends { readonly commit: GenerationCommit }> {
  readonly #deps: { readonly index: GenerationIndex; readonly clock: Clock }
  readonly #lease: HeldLease
  readonly #ends: SubmissionEnds<S>
  #unresolved: S | undefined

  constructor(
    deps: { readonly index: GenerationIndex; readonly clock: Clock },
    lease: HeldLease,
    ends: SubmissionEnds<S>,
  ) {
    this.#deps = deps
    this.#lease = lease
    this.#ends = ends
  }

  /** Finds out what became of a commit whose outcome is unknown. Rejects as `submit` does. */
  async resolve(): Promise<void> {
    if (this.#unresolved) await this.submit(this.#unresolved)
  }

  /** Rejects as `appendGeneration` does; after `outcome-unknown`, `resolve` comes before the next one. */
  async submit(submission: S): Promise<void> {
    this.#unresolved = submission
    try {
      await appendGeneration(this.#deps, this.#lease, submission.commit)
    } catch (error) {
      if (!isFailure(error, 'outcome-unknown')) {
        this.#unresolved = undefined
        this.#ends.discard(submission, error)
      }
      throw error
    }
    this.#unresolved = undefined
    this.#ends.accept(submission)
  }
}
