import { lstatSync, readdirSync } from 'node:fs'
import { type MovedAside, makeDirectory } from '../volume-place/make-directory.ts'
import { PACKS_DIRECTORY } from './local-pack.ts'

/** Makes the directories of a volume that packs are mounted on, as `makeDirectory` does: only an empty one is fit. */
export function makePackPlaces(volumePath: string, names: readonly string[]): readonly MovedAside[] {
  if (names.length === 0) return []
  const owner = lstatSync(volumePath)
  const mode = 0o755
  return [
    ...makeDirectory(volumePath, { parent: '', name: PACKS_DIRECTORY, owner, mode, isFit: isDirectory }),
    ...names.flatMap((name) =>
      makeDirectory(volumePath, { parent: PACKS_DIRECTORY, name, owner, mode, isFit: isEmptyDirectory }),
    ),
  ]
}

function isDirectory(path: string): boolean {
  return lstatSync(path).isDirectory()
}

function isEmptyDirectory(path: string): boolean {
  return isDirectory(path) && readdirSync(path).length === 0
}
