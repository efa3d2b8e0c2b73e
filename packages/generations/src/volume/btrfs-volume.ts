import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { readBootId } from '@holdfast/base/boot-clock'
import type { Clock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { readSendChanges } from '../btrfs/send-changes.ts'
import { fromText } from '../format/byte-string.ts'
import { randomName } from '../format/names.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import { BtrfsCapture } from './btrfs-capture.ts'
import { listedChanges } from './btrfs-changes.ts'
import {
  attach,
  type BtrfsPlace,
  detach,
  findPlace,
  isAttached,
  makeSubvolume,
  type PlaceRequest,
  subvolumePath,
} from './btrfs-place.ts'
import { isCramped, limitBytes, usedBytes } from './btrfs-quota.ts'
import { FREEZE_MS_MAX, Freeze } from './freezer.ts'
import { runProgram } from './program.ts'
import { SNAPSHOT_NAME, SnapshotLog } from './snapshot-log.ts'
import {
  type Capture,
  type Changes,
  type Freezer,
  isNothingSince,
  type SnapshotPath,
  type Volume,
  type VolumeOrigin,
} from './volume.ts'

export interface BtrfsVolumeDeps {
  readonly holdfs: Holdfs
  readonly clock: Clock
  readonly randomness: Randomness
}

export interface BtrfsVolumeRequest extends PlaceRequest {
  /** Where this workspace's local files are: `volume.json` among them. */
  readonly state: string
}

/** What takes the place of the present tree. */
export interface Replacement {
  /** A local snapshot, of this volume or of another one, to copy; else `fill` puts a tree into an empty subvolume. */
  readonly from: VolumeOrigin | undefined
  readonly fill: (path: string) => Promise<void>
  /** Takes the present tree away from whoever uses it. */
  readonly force: boolean
  /** Makes the generation of the new tree, which no writer sees yet; resolves to its id. */
  readonly commit: () => Promise<string>
}

/** A snapshot that no generation claims after this time was left by a process that died. */
const UNCLAIMED_MS_MAX = 24 * 3_600_000

/** A directory that is a btrfs subvolume: its captures are read-only snapshots, which btrfs itself compares. */
export class BtrfsVolume implements Volume {
  readonly kind = 'btrfs'
  readonly path: string
  readonly #deps: BtrfsVolumeDeps
  readonly #request: BtrfsVolumeRequest
  readonly #log: SnapshotLog
  #place: BtrfsPlace

  private constructor(
    deps: BtrfsVolumeDeps,
    request: BtrfsVolumeRequest,
    opened: { place: BtrfsPlace; log: SnapshotLog },
  ) {
    this.path = request.path
    this.#deps = deps
    this.#request = request
    this.#place = opened.place
    this.#log = opened.log
  }

  /**
   * False when the machine went down while writers could write: what they wrote last may be missing, and until a commit
   * has read every file of a capture, nothing that is remembered of the directory counts.
   */
  get isTrusted(): boolean {
    return !this.#log.isDoubtedAfter(readBootId())
  }

  /**
   * Makes the volume of a workspace whose directory is absent, empty, or a subvolume already; or one that begins as a
   * copy of `origin`. Rejects with `not-empty`, `unsupported-here`, `volume-full`, and with `source-failed`
   * (details.errno EXDEV) when the origin lies on another file system.
   */
  static async create(
    deps: BtrfsVolumeDeps,
    request: BtrfsVolumeRequest,
    origin?: VolumeOrigin,
  ): Promise<BtrfsVolume> {
    const place = await findPlace(deps.clock, request)
    if ((await makeSubvolume(deps.holdfs, place, origin?.path)) === 'made')
      new SnapshotLog(request.state).setBytesMax(null) // what an earlier one had is gone with it
    mkdirSync(place.snapshots, { recursive: true, mode: 0o700 })
    const volume = await BtrfsVolume.#attached(deps, request, place)
    if (origin) await volume.#keep(origin.path, origin.generation)
    return volume
  }

  /** Puts the volume where writers look for it, if it is not there. Rejects as `attach` and `mountImage` do. */
  static async open(deps: BtrfsVolumeDeps, request: BtrfsVolumeRequest): Promise<BtrfsVolume> {
    return BtrfsVolume.#attached(deps, request, await findPlace(deps.clock, request))
  }

  /** As `open`, and leaves it where it is: for what does not go through the directory. */
  static async find(deps: BtrfsVolumeDeps, request: BtrfsVolumeRequest): Promise<BtrfsVolume> {
    const place = await findPlace(deps.clock, request)
    return new BtrfsVolume(deps, request, { place, log: new SnapshotLog(request.state) })
  }

  /** True if the directory is the subvolume itself, and not what a mount shows of it. */
  get isNative(): boolean {
    return this.#place.device === null
  }

  static async #attached(
    deps: BtrfsVolumeDeps,
    request: BtrfsVolumeRequest,
    place: BtrfsPlace,
  ): Promise<BtrfsVolume> {
    const log = new SnapshotLog(request.state)
    const { boot } = log
    const bootId = readBootId()
    await attach(deps.holdfs, place)
    if (boot?.bootId !== bootId || boot.clean)
      log.setBoot({ bootId, clean: false, doubted: log.isDoubtedAfter(bootId) })
    return new BtrfsVolume(deps, request, { place, log })
  }

  /**
   * A capture without a freezer is a snapshot of running writers, and so no cut. Where the disk below had refused a
   * write, it is of what the file system last held whole.
   */
  async capture(freezer: Freezer | null): Promise<Capture> {
    try {
      return await this.#capture(freezer)
    } catch (error) {
      if (isFailure(error, 'volume-full')) await this.#makeRoom(true)
      if (!isFailure(error, 'not-found') && !isReadOnly(error)) throw error
      await this.#reattach()
      return this.#capture(freezer)
    }
  }

  async #capture(freezer: Freezer | null): Promise<Capture> {
    const { name, takenAtMs } = this.#nextName()
    const frozenMs = await this.#snapshot(freezer, name)
    const path = join(this.#place.snapshots, name)
    const discard = () => this.#deleteSnapshot(name)
    try {
      const isDoubted = !this.isTrusted
      const changes: Changes = isDoubted ? { kind: 'unknown' } : await this.#changesIn(path)
      const consistency = freezer === null ? 'per-database' : 'cut'
      return new BtrfsCapture({
        image: { path, changes, consistency, takenAtMs, isDoubted },
        frozenMs,
        discard,
        accept: async (generation, keep) => {
          if (isNothingSince(changes, generation) && !keep) return await discard()
          await this.#accept({ name, takenAtMs, keep }, generation)
          if (isDoubted) this.#log.setBoot({ bootId: readBootId(), clean: false })
        },
      })
    } catch (error) {
      await discard()
      throw error
    }
  }

  #nextName(): { readonly name: string; readonly takenAtMs: number } {
    const takenAtMs = Math.floor(this.#deps.clock.wallMs())
    return { name: `${takenAtMs}-${randomName(this.#deps.randomness).slice(0, 8)}`, takenAtMs }
  }

  /**
   * Takes the snapshot; resolves to how long the writers stood still. What is dirty is written out before they do:
   * that left 25 ms of 88 for a writer of 20 MB files, 5.5 of 10 for a slow one (median of 30 in turns, machine busy).
   */
  async #snapshot(freezer: Freezer | null, name: string): Promise<number> {
    const source = fromText(subvolumePath(this.#place))
    const snapshot = { source, parent: fromText(this.#place.snapshots), name }
    const request = { snapshot, syncfs: source, freezeTimeoutMs: FREEZE_MS_MAX }
    if (freezer) await this.#deps.holdfs.syncfs(source)
    if (freezer && freezer.pids().length === 0) {
      const { frozenNs } = await this.#deps.holdfs.capture({ ...request, cgroups: freezer.cgroups })
      return frozenNs / 1e6
    }
    await using freeze = freezer && (await Freeze.take(this.#deps, freezer))
    await this.#deps.holdfs.capture(request)
    await freeze?.release()
    return freeze?.frozenMs ?? 0
  }

  /** Whatever btrfs cannot tell, a full survey finds. */
  async #changesIn(after: string): Promise<Changes> {
    const { newest } = this.#log
    const since = newest?.generations.at(-1)
    if (!newest || since === undefined) return { kind: 'unknown' }
    const before = join(this.#place.snapshots, newest.name)
    try {
      const stream = await this.#deps.holdfs.sendNoData(fromText(after), fromText(before))
      const changes = readSendChanges(stream)
      return changes.kind === 'unknown' ? changes : listedChanges(changes, { before, after, since })
    } catch (error) {
      if (isFailure(error)) return { kind: 'unknown' }
      throw error
    }
  }

  async #accept(
    taken: { readonly name: string; readonly takenAtMs: number; readonly keep: boolean },
    generation: string,
  ): Promise<void> {
    for (const name of this.#log.accept(taken, generation)) await this.#deleteSnapshot(name)
    if (await isCramped(this.#deps.holdfs, subvolumePath(this.#place), this.#log.bytesMax))
      await this.#makeRoom(false)
    await this.#deleteUnclaimed()
  }

  /** What is deleted comes back within half a minute, or once this sync has woken the kernel's cleaner. */
  async #makeRoom(withNewest: boolean): Promise<void> {
    for (const name of this.#log.shrink(withNewest)) await this.#deleteSnapshot(name)
    await runProgram('btrfs', ['filesystem', 'sync', this.#place.snapshots])
  }

  async #deleteUnclaimed(): Promise<void> {
    const claimed = new Set(this.#log.snapshots.map(({ name }) => name))
    const before = this.#deps.clock.wallMs() - UNCLAIMED_MS_MAX
    for (const name of readdirSync(this.#place.snapshots)) {
      const takenAtMs = Number(SNAPSHOT_NAME.exec(name)?.[1] ?? Number.NaN)
      if (takenAtMs < before && !claimed.has(name)) await this.#deleteSnapshot(name)
    }
  }

  async #deleteSnapshot(name: string): Promise<void> {
    await this.#delete(this.#place.snapshots, name)
  }

  /** What is gone already counts as deleted. */
  async #delete(folder: string, name: string): Promise<void> {
    try {
      await this.#deps.holdfs.subvolumeDelete(fromText(folder), fromText(name))
    } catch (error) {
      if (!isFailure(error, 'not-found')) throw error
    }
  }

  /** Somebody took the file system out of its place, or its disk refused a write. */
  async #reattach(): Promise<void> {
    this.#place = await findPlace(this.#deps.clock, this.#request)
    await attach(this.#deps.holdfs, this.#place)
  }

  /** A local, read-only snapshot that equals a generation; undefined where there is none. */
  async snapshotOf(generation: string): Promise<SnapshotPath | undefined> {
    const snapshot = this.#log.of(generation)
    if (snapshot === undefined) return undefined
    const path = join(this.#place.snapshots, snapshot.name)
    if (await this.#isSubvolume(path)) return { path, takenAtMs: snapshot.takenAtMs }
    this.#log.forget(snapshot.name)
    return undefined
  }

  async #isSubvolume(path: string): Promise<boolean> {
    try {
      return await this.#deps.holdfs.isSubvolumeRoot(fromText(path))
    } catch (error) {
      if (isFailure(error, 'not-found')) return false
      throw error
    }
  }

  /** Keeps a read-only copy of a subvolume that equals a generation, and that nobody writes. */
  async #keep(path: string, generation: string): Promise<void> {
    const { name, takenAtMs } = this.#nextName()
    const parent = fromText(this.#place.snapshots)
    await this.#deps.holdfs.subvolumeSnapshot({ source: fromText(path), parent, name, readOnly: true })
    await this.#accept({ name, takenAtMs, keep: false }, generation)
  }

  /** Records that a generation equals another one, of which there may be a local snapshot. */
  async alias(known: string, generation: string): Promise<void> {
    const snapshot = this.#log.of(known)
    if (snapshot) await this.#accept(snapshot, generation)
  }

  /**
   * Puts another tree in the place of the present one, which is deleted: whoever needs it has committed it before.
   * Rejects with `lease-held` while a process uses the directory, unless `force`, and as `commit` does; then the
   * present tree stays.
   */
  async replace({ from, fill, force, commit }: Replacement): Promise<void> {
    const { folder, name } = this.#place
    const parent = fromText(folder)
    const next = `.${name}.next-${randomName(this.#deps.randomness).slice(0, 8)}`
    const kept = this.#nextName()
    const own = from && this.#log.of(from.generation)
    let generation: string | undefined
    try {
      await this.#makeNext(next, from, fill)
      if (own === undefined) await this.#snapshotNext(next, kept.name)
      await detach(this.#deps.holdfs, this.#place, force)
      generation = await commit()
      await this.#deps.holdfs.exchange(parent, fromText(name), fromText(next))
    } finally {
      await attach(this.#deps.holdfs, this.#place)
      await this.#delete(folder, next)
      if (generation === undefined) await this.#deleteSnapshot(kept.name)
    }
    await this.#accept(own ?? { ...kept, keep: false }, generation)
    await this.#applyLimit()
  }

  /** Puts the tree of a generation in the place of an empty one. */
  async fill(generation: string, fill: Replacement['fill']): Promise<void> {
    await this.replace({ from: undefined, fill, force: false, commit: async () => generation })
  }

  async #makeNext(next: string, from: Replacement['from'], fill: Replacement['fill']): Promise<void> {
    const parent = fromText(this.#place.folder)
    if (from === undefined) {
      await this.#deps.holdfs.subvolumeCreate(parent, fromText(next))
      await fill(join(this.#place.folder, next))
    } else {
      const copy = { source: fromText(from.path), parent, name: fromText(next), readOnly: false }
      await this.#deps.holdfs.subvolumeSnapshot(copy)
    }
  }

  async #snapshotNext(next: string, name: string): Promise<void> {
    const source = fromText(join(this.#place.folder, next))
    const parent = fromText(this.#place.snapshots)
    await this.#deps.holdfs.subvolumeSnapshot({ source, parent, name, readOnly: true })
  }

  /** What counts against its bound, as of the last sync. */
  usedBytes(): Promise<number> {
    return usedBytes(this.#deps.holdfs, subvolumePath(this.#place))
  }

  /** Bounds what the directory holds; null: not at all. Rejects as the native helper does. */
  async limit(bytesMax: number | null): Promise<void> {
    if (bytesMax !== null && bytesMax === this.#log.bytesMax) return // recorded once it was in force
    await limitBytes(this.#deps.holdfs, subvolumePath(this.#place), bytesMax)
    this.#log.setBytesMax(bytesMax)
  }

  async #applyLimit(): Promise<void> {
    const { bytesMax } = this.#log
    this.#log.setBytesMax(null) // of the tree that is gone
    if (bytesMax !== null) await this.limit(bytesMax)
  }

  /** Takes the volume out of its place, with all that was written to it on its disk. Rejects with `lease-held`. */
  async park(): Promise<void> {
    await this.#deps.holdfs.syncfs(fromText(this.#place.snapshots))
    await detach(this.#deps.holdfs, this.#place, false)
    this.#log.setBoot({ bootId: readBootId(), clean: true, doubted: !this.isTrusted })
  }

  /** Deletes the directory's content and all local snapshots, whatever is left of them. Rejects with `lease-held`. */
  async destroy(): Promise<void> {
    const { folder, name, device } = this.#place
    if (isAttached(this.#place)) await detach(this.#deps.holdfs, this.#place, false)
    await this.#deleteAll(this.#place.snapshots)
    if (device === null) await this.#delete(folder, name)
    else await this.#deleteAll(folder)
  }

  /** The directory goes on as a subvolume like any other: without a limit, without local snapshots. */
  async release(): Promise<void> {
    if (this.#log.bytesMax !== null) await this.limit(null)
    await this.#deleteAll(this.#place.snapshots)
  }

  async #deleteAll(folder: string): Promise<void> {
    if (!existsSync(folder)) return
    for (const name of readdirSync(folder)) await this.#delete(folder, name)
    rmdirSync(folder)
  }

  /** The directory stays where writers find it. */
  async [Symbol.asyncDispose](): Promise<void> {}
}

function isReadOnly(error: unknown): boolean {
  return isFailure(error, 'source-failed') && error.details.errno === 'EROFS'
}
