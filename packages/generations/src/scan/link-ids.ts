/** Above every inode number that file systems hand out in practice. */
const DISPLACEMENT = 2 ** 48

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
