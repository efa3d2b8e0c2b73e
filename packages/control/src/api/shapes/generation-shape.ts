import type { GenerationSummary } from '@holdfast/protocol/host-calls'
import { Generation } from '@holdfast/protocol/rest/generation'
import type { DurableState } from '../../operations/sync-workspace.ts'

export function shownGeneration(summary: GenerationSummary): Generation {
  const { createdAt, verifiedAt, ...same } = summary
  return Generation.parse({
    ...same,
    created_at: Math.floor(createdAt),
    verified_at: verifiedAt === null ? null : Math.floor(verifiedAt),
  })
}

export function shownDurable({ generation, isNew, frozenMs }: DurableState) {
  return { generation: shownGeneration(generation), is_new: isNew, frozen_ms: frozenMs }
}
