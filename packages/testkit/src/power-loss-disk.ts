import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (fs/ext4/ext4.h): from now on nothing reaches the disk, not even
 * the journal of the file system in memory. Waits for a byte first, so that the cut itself takes microseconds.
 */
const CUT = `
import fcntl, os, struct, sys
mount = os.open(sys.argv[1], os.O_RDONLY)
os.write(1, b"!")
os.read(0, 1)
fcntl.ioctl(mount, 0x8004587D, struct.pack("I", 2))
`

/** An ext4 on a disk whose power can fail: what was written and not synced is then gone. */
export class Disk {
  readonly mountDir: string
  #image: string
  #mounts = 0

  private constructor(image: string, mountDir: string) {
    this.#image = image
    this.mountDir = mountDir
  }

  /** Runs `use` with a fresh disk, which is not powered. Needs root, loop devices and e2fsprogs. */
  static async use<T>(bytes: number, use: (disk: Disk) => Promise<T>): Promise<T> {
    const home = await mkdtemp(join(tmpdir(), 'holdfast-disk-'))
    const image = join(home, 'image')
    try {
      await writeFile(image, '')
      await truncate(image, bytes)
      await run('mkfs.ext4', ['-q', '-F', image])
      const mountDir = join(home, 'mount')
      await mkdir(mountDir)
      return await use(new Disk(image, mountDir))
    } finally {
      await rm(home, { recursive: true, force: true })
    }
  }

  /**
   * Mounts the disk for as long as `use` runs. `cut` ends its power at once: everything on it fails from then on, and
   * whoever has files open there must be gone when `use` resolves.
   */
  async powered<T>(use: (cut: () => Promise<void>) => Promise<T>): Promise<T> {
    await this.#changeDevice()
    await run('mount', ['-t', 'ext4', '-o', 'loop', this.#image, this.mountDir])
    try {
      const switchOff = spawn('python3', ['-c', CUT, this.mountDir], { stdio: ['pipe', 'pipe', 'inherit'] })
      const ended = once(switchOff, 'exit')
      try {
        await once(switchOff.stdout, 'data')
        return await use(async () => {
          switchOff.stdin.write('!')
          const [code] = await ended
          assert.equal(code, 0, 'the power was cut')
        })
      } finally {
        switchOff.kill('SIGKILL')
        await ended
      }
    } finally {
      await this.#unmount()
    }
  }

  /**
   * The same bytes on a device of their own: while a sandbox somewhere starts, its copy of the mount table keeps the file
   * system as it was alive, and who mounts that device again gets the one whose power was cut.
   */
  async #changeDevice(): Promise<void> {
    const copy = join(dirname(this.#image), `image-${++this.#mounts}`)
    await run('cp', ['--sparse=always', this.#image, copy])
    await rm(this.#image)
    this.#image = copy
  }

  async #unmount(): Promise<void> {
    await run('sync', ['-f', this.mountDir]).catch(() => {}) // without power nothing more is written
    try {
      await run('umount', [this.mountDir])
    } catch (cause) {
      await run('umount', ['--lazy', this.mountDir])
      throw cause
    }
  }
}
