import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '@holdfast/base/failure'

interface Kept {
  readonly directory: string
  readonly bytes: number
  /** Resolves when the directory is filled. */
  readonly filled: Promise<void>
  users: number
}

/** A directory that stays as long as this is not disposed of. */
export interface HeldDirectory extends Disposable {
  readonly directory: string
}

/**
 * Databases of generations as files, each in a private directory: made once for all who want it at the same time, kept
 * for the next, and removed, the one that was wanted longest ago first, when others need the room.
 */
export class DatabaseCache {
  readonly #folder: string
  readonly #bytesMax: number
  /** Used last comes last. */
  readonly #kept = new Map<string, Kept>()
  #bytes = 0
  #made = 0

  /** `folder`: nothing else is there; what a process before left is removed. */
  constructor(folder: string, bytesMax: number) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.#folder = folder
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Rejects with `too-large`, with `overloaded` while what others use takes the room, and as `fill` does. */
  async hold(
    wanted: { readonly key: string; readonly bytes: number },
    fill: (directory: string) => Promise<void>,
  ): Promise<HeldDirectory> {
    const kept = this.#kept.get(wanted.key) ?? this.#make(wanted, fill)
    this.#kept.delete(wanted.key)
    this.#kept.set(wanted.key, kept)
    kept.users += 1
    try {
      await kept.filled
    } catch (error) {
      kept.users -= 1
      if (this.#kept.get(wanted.key) === kept) this.#remove(wanted.key, kept)
      throw error
    }
    return {
      directory: kept.directory,
      [Symbol.dispose]: () => {
        kept.users -= 1
      },
    }
  }

  #make(
    { key, bytes }: { readonly key: string; readonly bytes: number },
    fill: (directory: string) => Promise<void>,
  ): Kept {
    this.#makeRoom(bytes)
    const directory = join(this.#folder, String(++this.#made))
    mkdirSync(directory, { mode: 0o700 })
    const kept: Kept = { directory, bytes, users: 0, filled: fill(directory) }
    this.#bytes += bytes
    this.#kept.set(key, kept)
    return kept
  }

  #makeRoom(bytes: number): void {
    if (bytes > this.#bytesMax)
      throw new Failure(
        'too-large',
        `a database of ${bytes} bytes is not opened here: restore the generation`,
        {
          bytes,
          bytesMax: this.#bytesMax,
        },
      )
    for (const [key, kept] of this.#kept) {
      if (this.#bytes + bytes <= this.#bytesMax) return
      if (kept.users === 0) this.#remove(key, kept)
    }
    if (this.#bytes + bytes > this.#bytesMax)
      throw new Failure(
        'overloaded',
        'the databases that are being read on this host leave no room for another',
      )
  }

  #remove(key: string, kept: Kept): void {
    this.#kept.delete(key)
    this.#bytes -= kept.bytes
    rmSync(kept.directory, { recursive: true, force: true })
  }
}
