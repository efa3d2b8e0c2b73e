import { existsSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'

const UID_MIN = 200_000
const UIDS_PER_RANGE = 65_536
/** Below the 2³² − 1 of the kernel, minus the last partial range. */
const RANGES_MAX = 65_000

/**
 * Ranges of host user ids, one for each sandbox that lives on this machine, so that no two of them are the same user
 * anywhere. A range is taken by a symbolic link that leads to its sandbox's folder: making one is atomic between
 * processes, and one that leads nowhere is free.
 */
export class UidRanges {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** The first id of a range that is now the sandbox's in `sandboxFolder`. */
  take(sandboxFolder: string): number {
    for (let range = 0; range < RANGES_MAX; range++)
      if (this.#tryTake(range, sandboxFolder)) return UID_MIN + range * UIDS_PER_RANGE
    throw new Failure('sandbox-failed', 'every range of user ids is in use', { folder: this.#folder })
  }

  free(firstUid: number): void {
    rmSync(this.#link((firstUid - UID_MIN) / UIDS_PER_RANGE), { force: true })
  }

  #tryTake(range: number, sandboxFolder: string): boolean {
    const link = this.#link(range)
    try {
      symlinkSync(sandboxFolder, link)
      return true
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
    }
    // One process alone can rename a stale link away; the range is free for whoever comes next.
    const aside = join(this.#folder, `stale-${process.pid}-${range}`)
    try {
      const holder = readlinkSync(link)
      if (existsSync(holder)) return false
      renameSync(link, aside)
      if (readlinkSync(aside) === holder) rmSync(aside)
      else renameSync(aside, link)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
    }
    return false
  }

  #link(range: number): string {
    return join(this.#folder, String(range))
  }
}
