import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import { GenerationSummary } from '@holdfast/protocol/host-calls'

/** What the wire says of a generation. */
export function generationSummary(row: GenerationRow): GenerationSummary {
  const { id, parent, sequence, epoch, cause, message, createdAt, files, bytes, consistency } = row
  const { verifiedAt, retained } = row
  const facts = { id, parent, sequence, epoch, cause, message, createdAt, files, bytes, consistency }
  return GenerationSummary.parse({ ...facts, verifiedAt, retained })
}
