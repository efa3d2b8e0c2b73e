import type { GenerationSummary } from '@holdfast/protocol/host-calls'
import { Generation } from '@holdfast/protocol/rest/generation'
import type { DurableState, LocalState } from '../../operations/sync-workspace.ts'

export function shownGeneration(summary: GenerationSummary): Generation {
  const { createdAt, verifiedAt, ...same } = summary
  return Generation.parse({
    ...same,
    created_at: Math.floor(createdAt),
    verified_at: verifiedAt === null ? null : Math.floor(verifiedAt),
  })
}

export function shownCheckpoint(state: DurableState | LocalState) {
  if (state.generation !== null) return shownDurable(state)
  return { generation: null, taken_at: Math.floor(state.takenAt), frozen_ms: state.frozenMs }
}

export function shownDurable({ generation, isNew, frozenMs }: DurableState) {
  return { generation: shownGeneration(generation), is_new: isNew, frozen_ms: frozenMs }
}
