import { hash } from 'node:crypto'
import type { BigIntStats } from 'node:fs'

/** Above every inode number that file systems hand out in practice. */
const DISPLACEMENT = 2 ** 48
/** Above every displaced number. */
const FOREIGN = 2 ** 52

/**
 * A number that stands for a file's inode. The inode number itself, but for a file of another file system than the
 * directory's own: inode numbers are unique in one file system only. `ownDevice`: the device of the directory.
 */
export function inodeNumber(stats: BigIntStats, ownDevice: bigint): number {
  if (stats.dev === ownDevice && stats.ino < DISPLACEMENT) return Number(stats.ino)
  const mixed = hash('sha256', `${stats.dev - ownDevice}:${stats.ino}`, 'buffer')
  return FOREIGN + mixed.readUIntBE(0, 6)
}

/**
 * The numbers that say which names are one file. Each is the inode number, except after a restore: the tree then keeps
 * the numbers that it was committed with, and a new file must not take one of these by having such an inode number.
 */
export class LinkIds {
  readonly #kept: ReadonlyMap<number, number>
  readonly #taken: ReadonlySet<number>

  /** `kept`: inode → number, for files whose number is not their inode. */
  constructor(kept: ReadonlyMap<number, number>) {
    this.#kept = kept
    this.#taken = new Set(kept.values())
  }

  of(inode: number): number {
    const kept = this.#kept.get(inode)
    if (kept !== undefined) return kept
    let id = inode
    while (this.#taken.has(id)) id += DISPLACEMENT
    return id
  }
}
