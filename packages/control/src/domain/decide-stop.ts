import type { CloseOutcome } from '@holdfast/protocol/host-calls'
import type { GenerationId } from '@holdfast/protocol/identifiers'
import type { WorkspaceStatus } from '@holdfast/protocol/workspace-status'

export type StopDecision =
  | {
      readonly to: 'stopped'
      readonly snapshot: GenerationId
      readonly sequence: number
      readonly at: number
    }
  | { readonly to: 'stopped' | 'idle'; readonly snapshotError: string }

/** Decides where a stop ends. `from`: the status before it; one that failed has nothing to go back to. */
export function decideStop(outcome: CloseOutcome, from: WorkspaceStatus): StopDecision {
  if (outcome.kind === 'saved') {
    const { id, sequence, createdAt } = outcome.generation
    return { to: 'stopped', snapshot: id, sequence, at: createdAt }
  }
  const snapshotError = `${outcome.failure.code}: ${outcome.failure.message}`
  const canGoBack = outcome.sandbox === 'alive' && from !== 'failed'
  return { to: canGoBack ? 'idle' : 'stopped', snapshotError }
}
