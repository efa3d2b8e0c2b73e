import type { ByteString } from '../format/byte-string.ts'
import type { Xattr } from '../format/entry.ts'
import { errnoName } from './companion-failure.ts'
import type { BytePath, PayloadReader, PayloadWriter } from './frames.ts'

/** Operation numbers; `native/main.c` holds the other side. */
export const OPERATION = {
  hello: 0,
  syncfs: 1,
  readXattrs: 2,
  dataRanges: 3,
  applyAttributes: 4,
  capture: 5,
  freeze: 6,
  thaw: 7,
  subvolumeCreate: 8,
  subvolumeSnapshot: 9,
  subvolumeDelete: 10,
  isSubvolumeRoot: 11,
  subvolumeState: 12,
  sendNoData: 13,
  exchange: 14,
  reflink: 15,
  quotaLimit: 16,
  listDirectories: 17,
  quotaUsed: 18,
  mountSubvolume: 19,
  unmount: 20,
} as const

export const PROTOCOL_VERSION = 4

/** What one name answered: its `user.*` attributes (none where there are none, or no support), or an errno name. */
export type XattrsFound = { readonly xattrs: readonly Xattr[] } | { readonly errno: string }

/** What a directory holds, or an errno name. */
export type DirectoryListing =
  | {
      /** Four f64 a name: inode, size, mtime and ctime in milliseconds as Node computes them. */
      readonly stats: Uint8Array
      /** The names joined by slashes, in the order of their bytes. */
      readonly names: Uint8Array
      /** The directories among them, but for stubs of other subvolumes. */
      readonly subdirectories: readonly ByteString[]
    }
  | { readonly errno: string }

export interface DataRange {
  readonly offset: number
  readonly length: number
}

export interface DataRanges {
  readonly sizeBytes: number
  /** Ascending, apart from one another; the bytes between them and up to the size are zero. */
  readonly ranges: readonly DataRange[]
}

/** What to set on one name of a directory. What is absent stays as it is. */
export interface AttributeEntry {
  /** `.` is the directory itself. */
  readonly name: ByteString
  readonly owner?: { readonly uid: number; readonly gid: number }
  /** 0 to 0o7777. Absent for a symlink, which has none: one given fails with EOPNOTSUPP. */
  readonly mode?: number
  /** Nanoseconds since 1970; may be negative. */
  readonly mtimeNs?: bigint
  readonly xattrs?: readonly Xattr[]
}

export interface AttributeBatch {
  readonly directory: BytePath
  readonly entries: readonly AttributeEntry[]
}

/** One step that failed; the entry's other steps were tried all the same. */
export interface AttributeFailure {
  readonly directory: BytePath
  readonly name: ByteString
  readonly errno: string
  readonly step: string
}

export interface FreezeTargets {
  /** Directories of freezer cgroups, version 1 or 2. */
  readonly cgroups?: readonly BytePath[]
  /** Processes to stop by signal, where no cgroup holds them. */
  readonly pids?: readonly number[]
}

export interface FreezeOptions extends FreezeTargets {
  /** At most 60,000. */
  readonly freezeTimeoutMs: number
}

export interface Frozen {
  /** Until all read back as frozen. */
  readonly freezeNs: number
  /** Targets that someone else had frozen before: these are neither remembered nor thawed on the way out. */
  readonly alreadyFrozen: number
}

export interface CaptureOptions extends FreezeOptions {
  /** Any directory of the file system to sync. */
  readonly syncfs?: BytePath
  /** A read-only snapshot of subvolume `source`, made as `parent`/`name`. */
  readonly snapshot?: { readonly source: BytePath; readonly parent: BytePath; readonly name: ByteString }
  /** Leaves the targets frozen after success; they are thawed by `thaw`, or when the companion ends. */
  readonly stayFrozen?: boolean
}

export interface Captured extends Frozen {
  /** From the first freeze to the last thaw: an upper bound of what a process feels. */
  readonly frozenNs: number
  readonly syncfsNs: number
  readonly snapshotNs: number
}

export interface SnapshotOptions {
  readonly source: BytePath
  readonly parent: BytePath
  readonly name: ByteString
  readonly readOnly: boolean
}

export interface SubvolumeState {
  /** Transaction of the last change. A snapshot taken of it counts as one. */
  readonly generation: number
  readonly subvolumeId: number
  readonly createdGeneration: number
  readonly readOnly: boolean
}

const STAY_FROZEN = 1
const SET_OWNER = 1
const SET_MODE = 2
const SET_MTIME = 4
const NS_PER_SEC = 1_000_000_000n

export function writeFreezeTargets(writer: PayloadWriter, targets: FreezeTargets): void {
  writer.u32(targets.cgroups?.length ?? 0)
  for (const cgroup of targets.cgroups ?? []) writer.path(cgroup)
  writer.u32(targets.pids?.length ?? 0)
  for (const pid of targets.pids ?? []) writer.u32(pid)
}

export function writeCapture(writer: PayloadWriter, options: CaptureOptions): void {
  const { snapshot } = options
  writeFreezeTargets(writer, options)
  writer.u32(options.freezeTimeoutMs).u8(options.stayFrozen ? STAY_FROZEN : 0)
  writer.optionalPath(options.syncfs).optionalPath(snapshot?.source).optionalPath(snapshot?.parent)
  writer.string(snapshot?.name ?? '')
}

export function readCaptured(reader: PayloadReader): Captured {
  return {
    frozenNs: reader.integer(),
    freezeNs: reader.integer(),
    syncfsNs: reader.integer(),
    snapshotNs: reader.integer(),
    alreadyFrozen: reader.u32(),
  }
}

export function readXattrsFound(reader: PayloadReader): XattrsFound[] {
  return Array.from({ length: reader.count(4) }, () => {
    const errno = reader.u32()
    if (errno !== 0) return { errno: errnoName(errno) }
    const xattrs = Array.from({ length: reader.count(8) }, () => ({
      name: reader.string(),
      value: reader.string(),
    }))
    return { xattrs }
  })
}

export function readListings(reader: PayloadReader): DirectoryListing[] {
  return Array.from({ length: reader.count(4) }, () => {
    const errno = reader.u32()
    if (errno !== 0) return { errno: errnoName(errno) }
    const stats = reader.bytes()
    const names = reader.bytes()
    return { stats, names, subdirectories: Array.from({ length: reader.count(4) }, () => reader.string()) }
  })
}

export function readDataRanges(reader: PayloadReader): DataRanges {
  const sizeBytes = reader.integer()
  const ranges = Array.from({ length: reader.count(16) }, () => ({
    offset: reader.integer(),
    length: reader.integer(),
  }))
  return { sizeBytes, ranges }
}

export function writeAttributes(writer: PayloadWriter, batches: readonly AttributeBatch[]): void {
  writer.u32(batches.length)
  for (const batch of batches) {
    writer.path(batch.directory).u32(batch.entries.length)
    for (const entry of batch.entries) writeAttributeEntry(writer, entry)
  }
}

function writeAttributeEntry(writer: PayloadWriter, entry: AttributeEntry): void {
  const { owner, mode, mtimeNs, xattrs = [] } = entry
  const flags = (owner ? SET_OWNER : 0) | (mode === undefined ? 0 : SET_MODE)
  const nsec = (((mtimeNs ?? 0n) % NS_PER_SEC) + NS_PER_SEC) % NS_PER_SEC
  writer.string(entry.name).u8(flags | (mtimeNs === undefined ? 0 : SET_MTIME))
  writer
    .u32(mode ?? 0)
    .u32(owner?.uid ?? 0)
    .u32(owner?.gid ?? 0)
  writer.i64(((mtimeNs ?? 0n) - nsec) / NS_PER_SEC).u32(Number(nsec))
  writer.u32(xattrs.length)
  for (const xattr of xattrs) writer.string(xattr.name).bytes(xattr.value)
}

export function readAttributeFailures(
  reader: PayloadReader,
  batches: readonly AttributeBatch[],
): AttributeFailure[] {
  const count = reader.count(12)
  if (count === 0) return []
  const entries = batches.flatMap(({ directory, entries }) =>
    entries.map(({ name }) => ({ directory, name })),
  )
  return Array.from({ length: count }, () => {
    const { directory, name } = entries[reader.u32()] ?? { directory: '', name: '' }
    return { directory, name, errno: errnoName(reader.u32()), step: reader.string() }
  })
}

export function readSubvolumeState(reader: PayloadReader): SubvolumeState {
  return {
    generation: reader.integer(),
    subvolumeId: reader.integer(),
    createdGeneration: reader.integer(),
    readOnly: reader.u8() === 1,
  }
}
