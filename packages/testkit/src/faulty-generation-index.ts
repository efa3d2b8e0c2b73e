import { Failure } from '@holdfast/base/failure'
import type { GenerationCommit, HeldLease } from '@holdfast/generations/index/generation-index'
import { MemoryGenerationIndex } from '@holdfast/generations/index/memory-generation-index'

/** `before`: the append does not happen. `after`: it happens, and its answer is lost. */
export type AppendFault = 'before' | 'after'

/** A history that does not always answer its appends. */
export class FaultyGenerationIndex extends MemoryGenerationIndex {
  /** What goes wrong with the next appends, one each. */
  readonly faults: AppendFault[] = []
  /** Every append as it came in. */
  readonly appends: GenerationCommit[] = []
  /** Runs before an append is looked at. */
  onAppend: () => void | Promise<void> = () => {}

  override async append(lease: HeldLease, commit: GenerationCommit): Promise<void> {
    this.appends.push(commit)
    await this.onAppend()
    const fault = this.faults.shift()
    if (fault !== 'before') await super.append(lease, commit)
    if (fault) throw new Failure('index-unavailable', `the answer was lost ${fault} the append`)
  }
}
