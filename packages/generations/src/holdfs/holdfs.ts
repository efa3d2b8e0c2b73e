import { fileURLToPath } from 'node:url'
import { type Clock, systemClock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import type { ByteString } from '../format/byte-string.ts'
import { Companion } from './companion.ts'
import { companionFailure } from './companion-failure.ts'
import { type BytePath, PayloadReader, PayloadWriter } from './frames.ts'
import {
  type AttributeBatch,
  type AttributeFailure,
  type Captured,
  type CaptureOptions,
  type DataRanges,
  type DirectoryListing,
  type FreezeOptions,
  type FreezeTargets,
  type Frozen,
  OPERATION,
  PROTOCOL_VERSION,
  readAttributeFailures,
  readCaptured,
  readDataRanges,
  readListings,
  readSubvolumeState,
  readXattrsFound,
  type SnapshotOptions,
  type SubvolumeState,
  writeAttributes,
  writeCapture,
  writeFreezeTargets,
  type XattrsFound,
} from './operations.ts'

const BINARY_PATH = fileURLToPath(new URL('../../../../build/holdfs', import.meta.url))
const NO_LIMIT = -1n

interface Call<T> {
  readonly operation: number
  /** What a failure is about. */
  readonly path: BytePath
  readonly write: (payload: PayloadWriter) => void
  readonly read: (reply: PayloadReader) => T
}

const nothing = () => {}

/**
 * The system calls that Node lacks, made by a resident native process. Requests are carried out in order. Paths are
 * absolute byte strings: each char is one byte (`fromText` makes one of text).
 *
 * Every method rejects with `not-found`, `already-exists`, `no-permission`, `volume-full`, `unsupported-here` or
 * `source-failed` for the errno that the kernel gave (details: errno, step, path), and with `helper-failed` when the
 * process has ended. It thaws all it froze before it ends, unless it is itself killed with -9: then `thaw` of a fresh
 * one does.
 */
export class Holdfs implements AsyncDisposable {
  readonly #companion: Companion

  /** Rejects with `unsupported-here` when the binary is absent, or of another version than this code. */
  static async start(options: { binaryPath?: string; clock?: Clock } = {}): Promise<Holdfs> {
    const path = options.binaryPath ?? BINARY_PATH
    const holdfs = new Holdfs(await Companion.start(path, options.clock ?? systemClock))
    const version = await holdfs.hello()
    if (version === PROTOCOL_VERSION) return holdfs
    await holdfs[Symbol.asyncDispose]()
    throw new Failure('unsupported-here', 'the native companion is of another version: `npm run native`', {
      path,
      version,
      wanted: PROTOCOL_VERSION,
    })
  }

  private constructor(companion: Companion) {
    this.#companion = companion
  }

  get pid(): number {
    return this.#companion.pid
  }

  /** The protocol version of the process: proof that it answers. */
  hello(): Promise<number> {
    const read = (reply: PayloadReader) => reply.u32()
    return this.#call({ operation: OPERATION.hello, path: '', write: nothing, read })
  }

  /** All that was written to the file system of `directory` before the call is on its disk. */
  syncfs(directory: BytePath): Promise<void> {
    const write = (payload: PayloadWriter) => payload.path(directory)
    return this.#call({ operation: OPERATION.syncfs, path: directory, write, read: nothing })
  }

  /** The `user.*` attributes of each name in `directory` (`.` is itself); symlinks are not followed. */
  readXattrs(directory: BytePath, names: readonly ByteString[]): Promise<readonly XattrsFound[]> {
    const write = (payload: PayloadWriter) => payload.path(directory).strings(names)
    return this.#call({ operation: OPERATION.readXattrs, path: directory, write, read: readXattrsFound })
  }

  /**
   * What each directory holds, with the stat fields of all names. Resolves with the first directories only, at least
   * one, when all of them are more than a few megabytes; a single one beyond 64 MiB rejects with errno EMSGSIZE.
   */
  listDirectories(paths: readonly BytePath[]): Promise<readonly DirectoryListing[]> {
    const write = (payload: PayloadWriter) => {
      payload.u32(paths.length)
      for (const path of paths) payload.path(path)
    }
    return this.#call({
      operation: OPERATION.listDirectories,
      path: paths[0] ?? '',
      write,
      read: readListings,
    })
  }

  /** Where a regular file has data; more than 1,000,000 ranges reject with errno E2BIG, a symlink with ELOOP. */
  dataRanges(path: BytePath): Promise<DataRanges> {
    const write = (payload: PayloadWriter) => payload.path(path)
    return this.#call({ operation: OPERATION.dataRanges, path, write, read: readDataRanges })
  }

  /** Sets owner, attributes, mode and mtime, never through a symlink; resolves with the steps that failed. */
  applyAttributes(batches: readonly AttributeBatch[]): Promise<readonly AttributeFailure[]> {
    const path = batches[0]?.directory ?? ''
    const write = (payload: PayloadWriter) => writeAttributes(payload, batches)
    const read = (reply: PayloadReader) => readAttributeFailures(reply, batches)
    return this.#call({ operation: OPERATION.applyAttributes, path, write, read })
  }

  /**
   * Freeze, syncfs, read-only snapshot, thaw: one cut of everything that the targets write. Whatever fails, they are
   * thawed. A freeze that outlasts its bound rejects with errno ETIMEDOUT; one that would stop this process, EDEADLK.
   */
  capture(options: CaptureOptions): Promise<Captured> {
    const path = options.snapshot?.source ?? options.syncfs ?? options.cgroups?.[0] ?? ''
    const write = (payload: PayloadWriter) => writeCapture(payload, options)
    return this.#call({ operation: OPERATION.capture, path, write, read: readCaptured })
  }

  /** Freezes until `thaw`, or until the companion ends for whatever reason. All of the targets, or none. */
  freeze(options: FreezeOptions): Promise<Frozen> {
    const path = options.cgroups?.[0] ?? ''
    const write = (payload: PayloadWriter) => {
      writeFreezeTargets(payload, options)
      payload.u32(options.freezeTimeoutMs)
    }
    const read = (reply: PayloadReader) => ({ freezeNs: reply.integer(), alreadyFrozen: reply.u32() })
    return this.#call({ operation: OPERATION.freeze, path, write, read })
  }

  /** Thaws the targets, whoever froze them. One that is gone counts as thawed. */
  thaw(targets: FreezeTargets): Promise<void> {
    const path = targets.cgroups?.[0] ?? ''
    const write = (payload: PayloadWriter) => writeFreezeTargets(payload, targets)
    return this.#call({ operation: OPERATION.thaw, path, write, read: nothing })
  }

  /** An empty subvolume `parent`/`name`. */
  subvolumeCreate(parent: BytePath, name: ByteString): Promise<void> {
    const path = `${parent}/${name}`
    const write = (payload: PayloadWriter) => payload.path(parent).string(name)
    return this.#call({ operation: OPERATION.subvolumeCreate, path, write, read: nothing })
  }

  /** A snapshot of subvolume `source` as `parent`/`name`. */
  subvolumeSnapshot(options: SnapshotOptions): Promise<void> {
    const { source, parent, name, readOnly } = options
    const path = `${parent}/${name}`
    const write = (payload: PayloadWriter) => payload.path(source).path(parent).string(name).flag(readOnly)
    return this.#call({ operation: OPERATION.subvolumeSnapshot, path, write, read: nothing })
  }

  /** Gone from its directory at once; the kernel frees the space later. */
  subvolumeDelete(parent: BytePath, name: ByteString): Promise<void> {
    const path = `${parent}/${name}`
    const write = (payload: PayloadWriter) => payload.path(parent).string(name)
    return this.#call({ operation: OPERATION.subvolumeDelete, path, write, read: nothing })
  }

  /** Whether `path` is the root directory of a btrfs subvolume, of the file system's own included. */
  isSubvolumeRoot(path: BytePath): Promise<boolean> {
    const write = (payload: PayloadWriter) => payload.path(path)
    const read = (reply: PayloadReader) => reply.u8() === 1
    return this.#call({ operation: OPERATION.isSubvolumeRoot, path, write, read })
  }

  subvolumeState(path: BytePath): Promise<SubvolumeState> {
    const write = (payload: PayloadWriter) => payload.path(path)
    return this.#call({ operation: OPERATION.subvolumeState, path, write, read: readSubvolumeState })
  }

  /**
   * The send stream (version 1, without file data) of the read-only subvolume `path`, relative to read-only `parent`
   * when one is named. A stream above 32 MiB rejects with errno EFBIG.
   */
  sendNoData(path: BytePath, parent?: BytePath): Promise<Buffer> {
    const write = (payload: PayloadWriter) => payload.path(path).optionalPath(parent)
    const read = (reply: PayloadReader) => reply.rest()
    return this.#call({ operation: OPERATION.sendNoData, path, write, read })
  }

  /** Two names of `directory` trade places, atomically. */
  exchange(directory: BytePath, a: ByteString, b: ByteString): Promise<void> {
    const write = (payload: PayloadWriter) => payload.path(directory).string(a).string(b)
    return this.#call({ operation: OPERATION.exchange, path: directory, write, read: nothing })
  }

  /** A new file `target` (mode 0600) that shares the data of `source`; rejects where the file system cannot. */
  reflink(source: BytePath, target: BytePath): Promise<void> {
    const write = (payload: PayloadWriter) => payload.path(source).path(target)
    return this.#call({ operation: OPERATION.reflink, path: target, write, read: nothing })
  }

  /** Enables quotas on the file system and bounds what `subvolume` holds (simple quotas; else qgroups). */
  quotaLimit(subvolume: BytePath, bytesMax: bigint | 'none'): Promise<void> {
    const write = (payload: PayloadWriter) =>
      payload.path(subvolume).i64(bytesMax === 'none' ? NO_LIMIT : bytesMax)
    return this.#call({ operation: OPERATION.quotaLimit, path: subvolume, write, read: nothing })
  }

  /** Bytes that count against the bound of `subvolume`, as of the last sync. Rejects with `not-found` without quotas. */
  quotaUsed(subvolume: BytePath): Promise<number> {
    const write = (payload: PayloadWriter) => payload.path(subvolume)
    const read = (reply: PayloadReader) => reply.integer()
    return this.#call({ operation: OPERATION.quotaUsed, path: subvolume, write, read })
  }

  /** Shows a subvolume, named from the top of the btrfs on `device`, at the directory `path`. */
  mountSubvolume(mount: {
    readonly device: BytePath
    readonly subvolume: BytePath
    readonly path: BytePath
  }): Promise<void> {
    const { device, subvolume, path } = mount
    const write = (payload: PayloadWriter) => payload.path(device).path(subvolume).path(path)
    return this.#call({ operation: OPERATION.mountSubvolume, path, write, read: nothing })
  }

  /** Rejects with errno EBUSY while something in it is in use; `lazy` takes it out of sight all the same. */
  unmount(path: BytePath, options: { readonly lazy: boolean }): Promise<void> {
    const write = (payload: PayloadWriter) => payload.path(path).u8(options.lazy ? 1 : 0)
    return this.#call({ operation: OPERATION.unmount, path, write, read: nothing })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#companion[Symbol.asyncDispose]()
  }

  async #call<T>(call: Call<T>): Promise<T> {
    const writer = new PayloadWriter()
    call.write(writer)
    const reply = await this.#companion.request(call.operation, writer.finish())
    if (!reply.done) throw companionFailure(reply.payload, call.path)
    const reader = new PayloadReader(reply.payload)
    const result = call.read(reader)
    reader.end()
    return result
  }
}
