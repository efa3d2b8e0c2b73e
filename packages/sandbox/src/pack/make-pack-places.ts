import { lchownSync, lstatSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { PACKS_DIRECTORY } from './local-pack.ts'

/** Something of the guest that was in the way of a pack; paths below the volume. */
export interface MovedAside {
  readonly path: string
  readonly movedTo: string
}

/**
 * Makes the directories of a volume that packs are mounted on. Whatever else the guest has left there, were it a link or
 * a directory that holds something, is renamed: none of it is followed, covered, or lost. Nobody may write the volume
 * meanwhile.
 */
export function makePackPlaces(volumePath: string, names: readonly string[]): readonly MovedAside[] {
  if (names.length === 0) return []
  const { uid, gid } = lstatSync(volumePath)
  const moved: MovedAside[] = []
  const makePlace = (parent: string, name: string, isInTheWay: (path: string) => boolean) => {
    const path = join(volumePath, parent, name)
    if (isInTheWay(path)) {
      const free = freeName(join(volumePath, parent), name)
      renameSync(path, join(volumePath, parent, free))
      moved.push({ path: join(parent, name), movedTo: join(parent, free) })
    }
    if (isPresent(path)) return
    mkdirSync(path, { mode: 0o755 })
    if (process.geteuid?.() === 0) lchownSync(path, uid, gid)
  }
  makePlace('', PACKS_DIRECTORY, (path) => isPresent(path) && !isDirectory(path))
  for (const name of names)
    makePlace(PACKS_DIRECTORY, name, (path) => isPresent(path) && !isEmptyDirectory(path))
  return moved
}

function isPresent(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function isDirectory(path: string): boolean {
  return lstatSync(path).isDirectory()
}

function isEmptyDirectory(path: string): boolean {
  return isDirectory(path) && readdirSync(path).length === 0
}

/** Found after as many looks as the directory has names, at most. */
function freeName(directory: string, name: string): string {
  const taken = new Set(readdirSync(directory))
  for (let number = 1; ; number++) {
    const free = `${name}.aside-${number}`
    if (!taken.has(free)) return free
  }
}
