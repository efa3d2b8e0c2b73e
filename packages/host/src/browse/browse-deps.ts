import type { Clock } from '@holdfast/base/clock'
import type { Randomness } from '@holdfast/base/randomness'
import type { FrameCoding } from '@holdfast/generations/format/frame'
import type { GenerationIndex, HeldLease } from '@holdfast/generations/index/generation-index'
import type { ObjectStore } from '@holdfast/generations/store/object-store'

/** The right to begin the history of one workspace; disposed of, it is given back. */
export interface ImportLease extends AsyncDisposable {
  readonly lease: HeldLease
}

/** What reading generations on a host stands on. */
export interface BrowseDeps {
  readonly store: ObjectStore
  readonly index: GenerationIndex
  readonly coding: FrameCoding
  readonly clock: Clock
  readonly randomness: Randomness
  /** A directory that nothing else uses; what is in it when the host starts is removed. */
  readonly scratch: string
  /** The path of the directory inside every sandbox: some databases recover only there. */
  readonly mountPath: string
  /** True when this process may mount and change owners. */
  readonly isRoot: boolean
  /** Rejects with `lease-held`. */
  readonly acquire: (workspace: { readonly workspace: string; readonly org: string }) => Promise<ImportLease>
  readonly bounds?: Partial<BrowseBounds>
}

export interface BrowseBounds {
  /** Of databases kept as files, together. */
  readonly cachedBytesMax: number
  readonly queryMsMax: number
  readonly rowsMax: number
  readonly answerBytesMax: number
  readonly cellBytesMax: number
  /** Databases of one difference whose rows are counted. */
  readonly comparedMax: number
  /** After so long, no further database of a difference is counted. */
  readonly comparedMsMax: number
  /** Of a file that is imported. */
  readonly bundleBytesMax: number
}

export const BROWSE_BOUNDS: BrowseBounds = {
  cachedBytesMax: 4 * 2 ** 30,
  queryMsMax: 10_000,
  rowsMax: 10_000,
  answerBytesMax: 4 << 20,
  cellBytesMax: 64 << 10,
  comparedMax: 20,
  comparedMsMax: 10_000,
  bundleBytesMax: 64 * 2 ** 30,
}
