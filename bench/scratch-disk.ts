import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { outputOf, run } from './measure.ts'

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
    await removeAbandoned()
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
    if (this.#image !== undefined) await unmount(this.path)
    removeRun(this.path)
  }
}

function removeRun(path: string): void {
  rmSync(`${path}.ext4`, { force: true })
  rmSync(path, { recursive: true, force: true })
}

/** Removes what a run left that was killed. */
async function removeAbandoned(): Promise<void> {
  for (const name of readdirSync(FOLDER)) {
    const process = /^run-(\d+)$/.exec(name)?.[1]
    if (process === undefined || existsSync(`/proc/${process}`)) continue
    const path = join(FOLDER, name)
    if ((await outputOf('mountpoint', '-q', path)) !== undefined) await unmount(path)
    removeRun(path)
  }
}

const UNMOUNT_ATTEMPTS = 20
const UNMOUNT_PAUSE_MS = 500

/** Other programs of the machine may look into the folder for a while; in the end it goes away when they are done. */
async function unmount(path: string): Promise<void> {
  for (let attempt = 1; attempt < UNMOUNT_ATTEMPTS; attempt++) {
    if ((await outputOf('umount', path)) !== undefined) return
    await systemClock.sleep(UNMOUNT_PAUSE_MS)
  }
  await run({ file: 'umount', args: ['--lazy', path] })
}
