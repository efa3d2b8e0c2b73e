import { statfsSync } from 'node:fs'
import { isFailure } from '@holdfast/base/failure'
import { fromText } from '../format/byte-string.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'

/** Below this share of free space, local snapshots go: the writers need it more. */
const FREE_SHARE_MIN = 0.1
/** One workspace may never fill the file system that others share, whatever its own bound. */
const SHARE_MAX = 0.8
/** Above this share of its bound, a workspace's local snapshots go: what they alone hold counts for it too. */
const USED_SHARE_MAX = 0.9

/** Bounds what a subvolume holds; null: not at all. Rejects as the native helper does. */
export async function limitBytes(holdfs: Holdfs, path: string, bytesMax: number | null): Promise<void> {
  await holdfs.quotaLimit(fromText(path), bytesMax === null ? 'none' : BigInt(effective(path, bytesMax)))
}

/** Bytes that count against the bound, as of the last sync: also what local snapshots alone hold. 0 without a bound. */
export async function usedBytes(holdfs: Holdfs, path: string): Promise<number> {
  try {
    return await holdfs.quotaUsed(fromText(path))
  } catch (error) {
    if (isFailure(error, 'not-found')) return 0
    throw error
  }
}

/** True where local snapshots should go: the file system, or the bound of this subvolume, is nearly used up. */
export async function isCramped(holdfs: Holdfs, path: string, bytesMax: number | null): Promise<boolean> {
  const { bavail, blocks } = statfsSync(path)
  if (bavail < blocks * FREE_SHARE_MIN) return true
  if (bytesMax === null) return false
  return (await usedBytes(holdfs, path)) > effective(path, bytesMax) * USED_SHARE_MAX
}

function effective(path: string, bytesMax: number): number {
  const { blocks, bsize } = statfsSync(path)
  return Math.min(bytesMax, Math.floor(blocks * bsize * SHARE_MAX))
}
