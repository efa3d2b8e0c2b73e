import { closeSync, ftruncateSync, linkSync, mkdirSync, openSync, statSync, symlinkSync } from 'node:fs'
import { Failure } from '@holdfast/base/failure'
import { type ByteString, baseName, fromText, toFsPath, toText } from '../format/byte-string.ts'
import type { ChunkId } from '../format/chunk-id.ts'
import type { Entry } from '../format/entry.ts'
import type { FrameCoding } from '../format/frame.ts'
import { packKey } from '../format/names.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import type { AttributeBatch, AttributeEntry } from '../holdfs/operations.ts'
import type { ChunkReader } from '../read/chunk-reader.ts'
import { SourceDirectory } from '../scan/source-directory.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { type BoundDatabase, boundDatabases } from './bound-databases.ts'
import { packPieces, type RangeWork } from './frame-job.ts'
import type { HashedPages } from './hashed-pages.ts'
import { targetFailure } from './piece-writer.ts'
import { restoreDatabase } from './restore-database.ts'
import { type PlannedFrame, planRestore, type RestorePlan } from './restore-plan.ts'
import type { RestoreThreads } from './restore-threads.ts'

/** Frames apart by less than this are fetched in one request. */
const GAP_BYTES_MAX = 256 * 1024
const RANGE_BYTES_MAX = 16 << 20
/** Entries whose attributes are set in one request to the native helper. */
const ATTRIBUTES_PER_REQUEST = 4096

export interface RestoreDeps {
  readonly store: ObjectStore
  readonly coding: FrameCoding
  readonly chunks: ChunkReader
  readonly holdfs: Holdfs
  readonly threads: RestoreThreads
  /** True when owners can be set: the process is root. */
  readonly setOwners: boolean
}

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Equal to no owner: each entry's is set. */
const NOBODY_KNOWN: Owner = { uid: -1, gid: -1 }

export interface RestoreProgress {
  readonly bytesDone: number
  readonly bytesTotal: number
  readonly filesTotal: number
}

export interface RestoredTree {
  readonly files: number
  readonly bytes: number
  readonly databases: number
  /** Those that must not be opened but at the path of their writers. */
  readonly bound: readonly BoundDatabase[]
}

/**
 * Restores a tree into `path`, an empty directory of the caller's that nobody else writes to; every chunk is proven
 * against its id and every database against its checksum. When it resolves, everything is on disk.
 */
export async function restoreTree(
  deps: RestoreDeps,
  request: {
    readonly root: ChunkId
    /** As many as the generation's record counts; a tree of more is refused. */
    readonly files?: number
    readonly path: string
    readonly onProgress?: (progress: RestoreProgress) => void
  },
): Promise<RestoredTree> {
  const plan = await planRestore(deps.chunks, request.root, request.files)
  return await carryOut(deps, request, plan)
}

/** Takes the steps of a plan below `path`; when it resolves, everything is on disk. */
export async function carryOut(
  deps: RestoreDeps,
  request: {
    readonly path: string
    readonly onProgress?: (progress: RestoreProgress) => void
    /** Some entries of the plan are there already, and whose they are is not known. */
    readonly isPartial?: boolean
  },
  plan: RestorePlan,
): Promise<RestoredTree> {
  using target = new SourceDirectory(request.path)
  makeDirectories(target, plan)
  makePrepared(target, plan)
  const hashed = Map.groupBy(await writePieces(deps, request, plan), ({ path }) => path)
  for (const database of plan.databases)
    await restoreDatabase(deps.chunks, target, { ...database, hashed: hashed.get(database.path) ?? [] })
  makeLinks(target, plan)
  const placed = plan.databases.map(({ path }) => path)
  const bound = boundDatabases(request.path, placed) // as long as every mode lets them be read
  // What the staging directory got from its maker, everything made in it got too.
  const made = request.isPartial ? NOBODY_KNOWN : statSync(target.resolve(''))
  await applyAttributes(deps, target, { plan, made: deps.setOwners ? made : undefined })
  await deps.holdfs.syncfs(fromText(request.path))
  return { files: plan.files, bytes: plan.bytes, databases: plan.databases.length, bound }
}

function makeDirectories(target: SourceDirectory, plan: RestorePlan): void {
  for (const path of plan.directories) {
    if (path !== '') attempt(path, 'make the directory', () => mkdirSync(target.resolve(path), 0o700))
  }
}

function makePrepared(target: SourceDirectory, plan: RestorePlan): void {
  for (const { path, bytes } of plan.prepared) {
    attempt(path, 'make', () => {
      const fd = openSync(target.resolve(path), 'wx', 0o600)
      try {
        ftruncateSync(fd, bytes)
      } finally {
        closeSync(fd)
      }
    })
  }
}

async function writePieces(
  deps: RestoreDeps,
  request: { readonly path: string; readonly onProgress?: (progress: RestoreProgress) => void },
  plan: RestorePlan,
): Promise<HashedPages[]> {
  let bytesDone = 0
  const ranges = [...plan.packs].flatMap(([pack, frames]) => rangesOf(pack, [...frames.values()]))
  return await deps.threads.run(request.path, ranges.length, async (index) => {
    const range = ranges[index]
    if (range === undefined) throw new Failure('internal', `no range ${index}`)
    const work = await fetchRange(deps, range)
    for (const { frame } of range.frames) bytesDone += frame.rawBytes
    request.onProgress?.({ bytesDone, bytesTotal: plan.bytes, filesTotal: plan.files })
    return work
  })
}

interface PackRange {
  readonly pack: string
  readonly start: number
  end: number
  readonly frames: PlannedFrame[]
}

/** The frames of a pack as few ranges, in order of their place. */
function rangesOf(pack: string, frames: PlannedFrame[]): PackRange[] {
  const ranges: PackRange[] = []
  for (const planned of frames.sort((a, b) => a.frame.offset - b.frame.offset)) {
    const { offset, storedBytes } = planned.frame
    const last = ranges.at(-1)
    if (last && offset - last.end <= GAP_BYTES_MAX && offset + storedBytes - last.start <= RANGE_BYTES_MAX) {
      last.frames.push(planned)
      last.end = offset + storedBytes
    } else ranges.push({ pack, start: offset, end: offset + storedBytes, frames: [planned] })
  }
  return ranges
}

async function fetchRange({ store }: RestoreDeps, range: PackRange): Promise<RangeWork> {
  const bytes = await store.get(packKey(range.pack), { offset: range.start, length: range.end - range.start })
  return { pack: range.pack, bytes, frames: range.frames.map((planned) => packPieces(planned, range.start)) }
}

function makeLinks(target: SourceDirectory, plan: RestorePlan): void {
  for (const { path, target: existing } of plan.links) {
    attempt(path, 'link', () => linkSync(target.resolve(existing), target.resolve(path)))
  }
  for (const { path, entry } of plan.symlinks) {
    attempt(path, 'link', () => symlinkSync(toFsPath(entry.target), target.resolve(path)))
  }
}

/** Sets attributes batch by batch; while the native helper sets those of one, the next one is put together. */
async function applyAttributes(
  deps: RestoreDeps,
  target: SourceDirectory,
  { plan, made }: { readonly plan: RestorePlan; readonly made: Owner | undefined },
): Promise<void> {
  let batches: AttributeBatch[] = []
  let count = 0
  let underWay: Promise<void> = Promise.resolve()
  const send = async () => {
    await underWay
    underWay = sendAttributes(deps.holdfs, batches)
    underWay.catch(() => {})
    batches = []
    count = 0
  }
  for (const [directory, entries] of plan.attributes) {
    batches.push({
      directory: target.resolveBytes(directory),
      entries: entries.map((entry) => attributeEntry(entry, made)),
    })
    count += entries.length
    if (count >= ATTRIBUTES_PER_REQUEST || target.isAnchored(directory)) await send()
    if (target.isAnchored(directory)) await underWay
  }
  await send()
  await underWay
}

async function sendAttributes(holdfs: Holdfs, batches: readonly AttributeBatch[]): Promise<void> {
  const [failed] = await holdfs.applyAttributes(batches)
  if (failed === undefined) return
  const path = `${toText(failed.directory)}/${toText(failed.name)}`
  throw new Failure('source-failed', `cannot ${failed.step} of ${path}: ${failed.errno}`, {
    path,
    errno: failed.errno,
  })
}

/** `made`: the owner that the entry has already; undefined where owners cannot be set. */
function attributeEntry(entry: Entry, made: Owner | undefined): AttributeEntry {
  const { mode, uid, gid, mtimeNs, xattrs } = entry.attributes
  return {
    name: entry.name === '' ? '.' : baseName(entry.name),
    ...(made && (made.uid !== uid || made.gid !== gid) ? { owner: { uid, gid } } : {}),
    ...(entry.kind === 'symlink' ? {} : { mode }),
    mtimeNs,
    xattrs,
  }
}

function attempt(path: ByteString, step: string, run: () => void): void {
  try {
    run()
  } catch (error) {
    throw targetFailure(error, path, step)
  }
}
