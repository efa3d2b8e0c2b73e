import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { withBtrfsImage } from '@holdfast/testkit/btrfs-image'
import { MemoryFolder } from './memory-folder.ts'
import type { RunningWriter } from './running-writer.ts'

const IMAGE_BYTES = 1 << 30
const FREEZE_MS_MAX = 5000

/**
 * A btrfs of its own, the native companion, and a directory in memory for everything that is not captured: the many
 * recoveries of copies sync nothing to a disk.
 */
export class ProvingGround {
  readonly holdfs: Holdfs
  readonly mountDir: string
  readonly scratch: string
  #volumes = 0

  private constructor(holdfs: Holdfs, mountDir: string, scratch: string) {
    this.holdfs = holdfs
    this.mountDir = mountDir
    this.scratch = scratch
  }

  static async use(use: (ground: ProvingGround) => Promise<void>): Promise<void> {
    using scratch = new MemoryFolder()
    await withBtrfsImage(IMAGE_BYTES, async (mountDir) => {
      await using holdfs = await Holdfs.start()
      await use(new ProvingGround(holdfs, mountDir, scratch.path))
    })
  }

  /** Runs `use` with a fresh subvolume, which is removed with all its snapshots. */
  async withVolume<T>(use: (volume: CapturedVolume) => Promise<T>): Promise<T> {
    this.#volumes += 1
    const name = `live-${this.#volumes}`
    await this.holdfs.subvolumeCreate(this.mountDir, name)
    try {
      return await use(new CapturedVolume(this, name))
    } finally {
      await this.holdfs.subvolumeDelete(this.mountDir, name)
    }
  }
}

export interface Snapshot {
  readonly path: string
  /** A moment before everything that happened after it was taken. */
  readonly takenAtMs: number
}

/** A subvolume of the proving ground, and the snapshots that are taken of it. */
export class CapturedVolume {
  readonly path: string
  readonly #ground: ProvingGround
  readonly #name: string
  #captures = 0

  constructor(ground: ProvingGround, name: string) {
    this.#ground = ground
    this.#name = name
    this.path = join(ground.mountDir, name)
  }

  /** Freeze, syncfs, snapshot, thaw; runs `use` with the snapshot. */
  async captured<T>(writer: RunningWriter, use: (snapshot: Snapshot) => Promise<T> | T): Promise<T> {
    const { holdfs } = this.#ground
    return this.#taken(use, (snapshot) =>
      holdfs.capture({
        cgroups: [writer.cgroup.path],
        freezeTimeoutMs: FREEZE_MS_MAX,
        syncfs: this.path,
        snapshot,
      }),
    )
  }

  /** A snapshot of a writer that nobody stops: not a cut. */
  async unfrozen<T>(use: (snapshot: Snapshot) => Promise<T> | T): Promise<T> {
    const { holdfs } = this.#ground
    return this.#taken(use, (snapshot) => holdfs.subvolumeSnapshot({ ...snapshot, readOnly: true }))
  }

  async #taken<T>(
    use: (snapshot: Snapshot) => Promise<T> | T,
    take: (snapshot: { source: string; parent: string; name: string }) => Promise<unknown>,
  ): Promise<T> {
    const { holdfs, mountDir } = this.#ground
    this.#captures += 1
    const name = `${this.#name}-${this.#captures}`
    const takenAtMs = systemClock.wallMs()
    await take({ source: this.path, parent: mountDir, name })
    try {
      return await use({ path: join(mountDir, name), takenAtMs })
    } finally {
      await holdfs.subvolumeDelete(mountDir, name)
    }
  }
}
