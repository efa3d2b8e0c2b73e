import { existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './measure.ts'

const FOLDER = join(import.meta.dirname, '..', 'build', 'bench')
const DISK_BYTES = 64 * 2 ** 30

/**
 * A filesystem for one run: a private ext4 on a loop image as root, else a folder. Nothing in it is removed while
 * anything is measured: to create 100,000 files soon after as many were deleted took ten times as long on an aged
 * ext4.
 */
export class ScratchDisk implements AsyncDisposable {
  readonly path: string
  readonly kind: 'ext4 image' | 'folder'
  readonly #image: string | undefined
  #folders = 0

  private constructor(path: string, image: string | undefined) {
    this.path = path
    this.kind = image === undefined ? 'folder' : 'ext4 image'
    this.#image = image
  }

  static async create(): Promise<ScratchDisk> {
    mkdirSync(FOLDER, { recursive: true })
    const path = join(FOLDER, `run-${process.pid}`)
    mkdirSync(path)
    if (process.getuid?.() !== 0) return new ScratchDisk(path, undefined)
    const image = `${path}.ext4`
    writeFileSync(image, '')
    truncateSync(image, DISK_BYTES)
    await run({
      file: 'mkfs.ext4',
      args: ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image],
    })
    await run({ file: 'mount', args: ['-o', 'loop', image, path] })
    return new ScratchDisk(path, image)
  }

  /** A new empty folder. */
  folder(name: string): string {
    const path = join(this.path, `${this.#folders++}-${name}`)
    mkdirSync(path)
    return path
  }

  /** Waits until everything written so far is on disk, so that the next measurement does not pay for it. */
  async settle(): Promise<void> {
    await run({ file: 'sync', args: ['-f', this.path] })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#image !== undefined) {
      await run({ file: 'umount', args: [this.path] })
      rmSync(this.#image)
    }
    if (existsSync(this.path)) rmSync(this.path, { recursive: true })
  }
}
