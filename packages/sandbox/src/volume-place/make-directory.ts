import { lchownSync, lstatSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'

/** Something of the guest that was in the way of a mount; paths below the volume. */
export interface MovedAside {
  readonly path: string
  readonly movedTo: string
}

export interface WantedDirectory {
  /** Below the volume; '' or a directory that was made before, so that no link of it is followed. */
  readonly parent: string
  readonly name: string
  readonly owner: { readonly uid: number; readonly gid: number }
  readonly mode: number
  /** Whether a thing that is there may stay. */
  readonly isFit: (path: string) => boolean
}

/**
 * Makes a directory of a volume for the host's own use, unless a fit one is there. Whatever else lies there, were it a
 * link, is renamed: it is not followed, covered, or lost. Nobody may write the volume meanwhile.
 */
export function makeDirectory(volumePath: string, wanted: WantedDirectory): MovedAside[] {
  const { parent, name, owner, mode } = wanted
  const path = join(volumePath, parent, name)
  const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined
  if (isThere && wanted.isFit(path)) return []
  const free = isThere ? freeName(join(volumePath, parent), name) : null
  if (free !== null) renameSync(path, join(volumePath, parent, free))
  mkdirSync(path, { mode })
  if (process.geteuid?.() === 0) lchownSync(path, owner.uid, owner.gid)
  return free === null ? [] : [{ path: join(parent, name), movedTo: join(parent, free) }]
}

/** Found after as many looks as the directory has names, at most. */
function freeName(directory: string, name: string): string {
  const taken = new Set(readdirSync(directory))
  for (let number = 1; ; number++) {
    const free = `${name}.aside-${number}`
    if (!taken.has(free)) return free
  }
}
