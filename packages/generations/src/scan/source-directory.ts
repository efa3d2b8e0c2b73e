import { closeSync, constants, lstatSync, openSync } from 'node:fs'
import { type ByteString, fromText, isAscii, joinPath, toFsPath } from '../format/byte-string.ts'

/** The kernel takes paths below 4,096 bytes; a longer one is reached from a directory opened on the way. */
const PATH_BYTES_MAX = 3000
const NAME_BYTES_MAX = 255
/** Directories kept open for long paths; the one that was not used for longest is closed first. */
const ANCHORS_MAX = 16

/**
 * A directory whose entries are named by relative byte paths of any depth. Paths that it returns are valid in this
 * process and, while it is open, in others of the same user (they go through `/proc/<pid>/fd`).
 */
export class SourceDirectory implements Disposable {
  readonly path: ByteString
  readonly #anchors = new Map<ByteString, number>()

  #device: bigint | undefined

  constructor(path: string) {
    this.path = fromText(path)
  }

  /** The device number of its own file system; others may be mounted below it. */
  get device(): bigint {
    this.#device ??= lstatSync(toFsPath(this.path), { bigint: true }).dev
    return this.#device
  }

  /** The path to hand to a file function. */
  resolve(relative: ByteString): string | Buffer {
    return toFsPath(this.resolveBytes(relative))
  }

  /** As `resolve`, for many names of one directory. */
  within(directory: ByteString): (name: ByteString) => string | Buffer {
    const base = this.resolveBytes(directory)
    if (!isAscii(base) || base.length > PATH_BYTES_MAX - NAME_BYTES_MAX) {
      return (name) => this.resolve(joinPath(directory, name))
    }
    return (name) => (isAscii(name) ? `${base}/${name}` : this.resolve(joinPath(directory, name)))
  }

  resolveBytes(relative: ByteString): ByteString {
    if (relative === '') return this.path
    return this.isAnchored(relative) ? this.#throughAnchor(relative) : `${this.path}/${relative}`
  }

  /** True for a path so long that what `resolve` gives for it holds only until a few others have been asked for. */
  isAnchored(relative: ByteString): boolean {
    return this.path.length + relative.length >= PATH_BYTES_MAX
  }

  #throughAnchor(relative: ByteString): ByteString {
    let base = this.path
    let from = 0
    while (base.length + relative.length - from >= PATH_BYTES_MAX) {
      const cut = relative.lastIndexOf('/', from + PATH_BYTES_MAX - base.length - 1)
      if (cut <= from) break
      base = `/proc/${process.pid}/fd/${this.#anchor(relative.slice(0, cut), `${base}/${relative.slice(from, cut)}`)}`
      from = cut + 1
    }
    return `${base}/${relative.slice(from)}`
  }

  #anchor(key: ByteString, path: ByteString): number {
    const known = this.#anchors.get(key)
    this.#anchors.delete(key)
    const opened =
      known ?? openSync(toFsPath(path), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    this.#anchors.set(key, opened)
    for (const [oldest, fd] of this.#anchors) {
      if (this.#anchors.size <= ANCHORS_MAX) break
      this.#anchors.delete(oldest)
      closeSync(fd)
    }
    return opened
  }

  [Symbol.dispose](): void {
    for (const fd of this.#anchors.values()) closeSync(fd)
    this.#anchors.clear()
  }
}
