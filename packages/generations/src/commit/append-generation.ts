import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { GenerationRecord } from '../format/generation-record.ts'
import type { BuiltPack } from '../format/pack-builder.ts'
import type { GenerationCommit, GenerationIndex, HeldLease, PackRow } from '../index/generation-index.ts'

/** An append whose answer was lost is submitted again after each of these waits. */
const RESUBMIT_AFTER_MS = [50, 200, 800, 2000] as const

/** What a record says to the index. The last of `newPacks` holds the record, whose id is `id`. */
export function commitOf(
  record: GenerationRecord,
  id: string,
  relies: Pick<GenerationCommit, 'newPacks' | 'usedPacks' | 'gcSeen'>,
): GenerationCommit {
  const { parent, sequence, root, cause, message, createdAt, files, bytes, consistency } = record
  return {
    ...{ id, parent, sequence, root, cause, message, createdAt, files, bytes, consistency },
    recordPack: relies.newPacks.at(-1)?.name ?? '',
    ...relies,
  }
}

export function packRows(packs: readonly Pick<BuiltPack, keyof PackRow>[]): PackRow[] {
  return packs.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }))
}

/**
 * Appends, again and unchanged while the outcome is unknown. Rejects with `lease-lost`, `head-moved` or `gc-expired`, and
 * with `outcome-unknown` when it may have happened.
 */
export async function appendGeneration(
  { index, clock }: { readonly index: GenerationIndex; readonly clock: Clock },
  lease: HeldLease,
  commit: GenerationCommit,
): Promise<void> {
  for (const waitMs of RESUBMIT_AFTER_MS) {
    try {
      return await index.append(lease, commit)
    } catch (error) {
      if (!isFailure(error, 'index-unavailable')) throw error
      await clock.sleep(waitMs)
    }
  }
  const { id } = commit
  throw new Failure('outcome-unknown', `generation ${id} may or may not be committed`, { token: id })
}
