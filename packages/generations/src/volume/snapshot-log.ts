import { join } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { Failure, isFailure } from '@holdfast/base/failure'
import { readJsonFile, replaceFile, replaceVolatileFile } from '../directory/json-file.ts'

/** Snapshots that stay on the local disk, beside those of checkpoints. */
export const SNAPSHOTS_MAX = 8
/** Checkpoints beyond this many are restored from the store. */
const KEPT_SNAPSHOTS_MAX = 1000

/** A read-only snapshot that equals one or several generations. */
export interface LocalSnapshot {
  readonly name: string
  readonly generations: readonly string[]
  /** When it was taken, by the wall clock. */
  readonly takenAtMs: number
  /** Of a checkpoint: newer ones do not push it out. */
  readonly keep: boolean
}

/** When and how the volume was last put into its place. */
export interface BootMark {
  readonly bootId: string
  /** It was taken out again on purpose: everything written to it is on its disk. */
  readonly clean: boolean
  /** The machine went down while it was in use, and no commit has read all of it since. */
  readonly doubted?: boolean
}

interface LogState {
  readonly boot: BootMark | null
  /** Bytes that the workspace may hold; null: as many as there are. */
  readonly bytesMax: number | null
  /** The newest last. */
  readonly snapshots: readonly LocalSnapshot[]
}

const FORMAT = 1
const NOTHING: LogState = { boot: null, bytesMax: null, snapshots: [] }
/** Of bytes that make no sense: nobody knows what the volume was used for. */
const DAMAGED: LogState = { ...NOTHING, boot: { bootId: '', clean: false } }

/**
 * What is known of one workspace's local snapshots, as `volume.json` in its folder. A cache: where it is damaged, the
 * next commit scans the whole directory and older generations come from the store. Changes reject with `volume-full`
 * or `source-failed`, and are then not made. Of these, only that of a mark that is there already survives a loss of
 * power for certain; after that loss, no other one counts, and a file that it damaged says that the volume is in doubt.
 */
export class SnapshotLog {
  readonly #file: string
  #state: LogState

  constructor(folder: string) {
    this.#file = join(folder, 'volume.json')
    this.#state = load(this.#file)
  }

  get boot(): BootMark | null {
    return this.#state.boot
  }

  /** True if the volume may hold less than its writers and its last commits saw. `bootId`: of the machine now. */
  isDoubtedAfter(bootId: string): boolean {
    const { boot } = this.#state
    if (boot === null) return false
    return boot.doubted === true || (!boot.clean && boot.bootId !== bootId)
  }

  get bytesMax(): number | null {
    return this.#state.bytesMax
  }

  get snapshots(): readonly LocalSnapshot[] {
    return this.#state.snapshots
  }

  /** The snapshot that the next capture is compared with. */
  get newest(): LocalSnapshot | undefined {
    return this.#state.snapshots.at(-1)
  }

  of(generation: string): LocalSnapshot | undefined {
    return this.#state.snapshots.findLast(({ generations }) => generations.includes(generation))
  }

  /** Where nothing is recorded, nothing of a volume was remembered either: the first mark need not be durable. */
  setBoot(boot: BootMark): void {
    this.#save({ boot }, this.#state.boot === null ? replaceVolatileFile : replaceFile)
  }

  setBytesMax(bytesMax: number | null): void {
    if (bytesMax !== this.bytesMax) this.#save({ bytesMax })
  }

  /** Records that a snapshot equals a generation and is the newest; returns those to delete, which it has forgotten. */
  accept(taken: Pick<LocalSnapshot, 'name' | 'takenAtMs' | 'keep'>, generation: string): readonly string[] {
    const known = this.#state.snapshots.find(({ name }) => name === taken.name)
    const generations = [...(known?.generations ?? []), generation]
    const keep = taken.keep || (known?.keep ?? false) || (this.of(generation)?.keep ?? false)
    const others = this.#state.snapshots
      .filter(({ name }) => name !== taken.name)
      .map((other) => ({ ...other, generations: other.generations.filter((id) => id !== generation) }))
    const snapshots = [...others, { ...taken, generations, keep }]
    const surplus = surplusOf(snapshots)
    this.#save({ snapshots: snapshots.filter((snapshot) => !surplus.has(snapshot)) })
    return [...surplus].map(({ name }) => name)
  }

  /**
   * Forgets what is worth least, and returns what to delete: all but the newest and checkpoints; where there is none of
   * these the oldest checkpoint; and at last, if `withNewest`, the newest.
   */
  shrink(withNewest: boolean): readonly string[] {
    const { snapshots } = this.#state
    const older = snapshots.slice(0, -1)
    const plain = older.filter(({ keep }) => !keep)
    const last = older.length === 0 && withNewest ? snapshots : []
    const dropped = plain.length > 0 ? plain : [...older.slice(0, 1), ...last]
    if (dropped.length > 0)
      this.#save({ snapshots: snapshots.filter((snapshot) => !dropped.includes(snapshot)) })
    return dropped.map(({ name }) => name)
  }

  forget(name: string): void {
    this.#save({ snapshots: this.#state.snapshots.filter((snapshot) => snapshot.name !== name) })
  }

  #save(changed: Partial<LogState>, write = replaceVolatileFile): void {
    const state = { ...this.#state, ...changed }
    try {
      write(this.#file, `${JSON.stringify({ format: FORMAT, ...state }, null, 2)}\n`)
    } catch (error) {
      const errno = errnoOf(error) ?? 'unknown'
      const code = errno === 'ENOSPC' || errno === 'EDQUOT' ? 'volume-full' : 'source-failed'
      throw new Failure(code, `cannot write ${this.#file}: ${errno}`, { path: this.#file, errno }, error)
    }
    this.#state = state
  }
}

/** Snapshots of no generation, and the oldest beyond the bounds. */
function surplusOf(snapshots: readonly LocalSnapshot[]): Set<LocalSnapshot> {
  const named = snapshots.filter(({ generations }) => generations.length > 0)
  const plain = named.filter(({ keep }) => !keep).slice(-SNAPSHOTS_MAX)
  const kept = named.filter(({ keep }) => keep).slice(-KEPT_SNAPSHOTS_MAX)
  const stay = new Set([...plain, ...kept])
  return new Set(snapshots.filter((snapshot) => !stay.has(snapshot)))
}

function load(file: string): LogState {
  try {
    const found = readJsonFile(file)
    if (found === undefined) return NOTHING
    return found.format === FORMAT && isLogState(found) ? found : DAMAGED
  } catch (error) {
    if (isFailure(error, 'history-corrupt')) return DAMAGED
    throw error
  }
}

function isLogState(value: Record<string, unknown>): value is Record<string, unknown> & LogState {
  const { boot, bytesMax, snapshots } = value
  return (
    (boot === null || isBootMark(boot)) &&
    (bytesMax === null || Number.isSafeInteger(bytesMax)) &&
    Array.isArray(snapshots) &&
    snapshots.every(isSnapshot)
  )
}

function isBootMark(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { bootId, clean, doubted = false } = value as Record<string, unknown>
  return typeof bootId === 'string' && typeof clean === 'boolean' && typeof doubted === 'boolean'
}

/** A name is used as a path: nothing in a damaged file may lead elsewhere. */
function isSnapshot(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { name, generations, takenAtMs, keep } = value as Record<string, unknown>
  return (
    typeof name === 'string' &&
    SNAPSHOT_NAME.test(name) &&
    Array.isArray(generations) &&
    generations.every((id) => typeof id === 'string') &&
    Number.isSafeInteger(takenAtMs) &&
    typeof keep === 'boolean'
  )
}

/** When it was taken, in milliseconds since 1970, and a random part. */
export const SNAPSHOT_NAME = /^(\d{1,16})-[0-9a-f]{8}$/
