import { lstatSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type MovedAside, makeDirectory } from '../volume-place/make-directory.ts'
import type { SystemOverlay } from './overlay-plan.ts'
import { GUEST_HOME, GUEST_WORKSPACE } from './root-plan.ts'

/** Of the host's root: no user of a sandbox can enter, rename or remove it, as none of them has that owner's id. */
export const HOST_DIRECTORY = '.holdfast'
const SYSTEM = 'system'
const HOST_ROOT = { uid: 0, gid: 0 }

/** Where mounts go that are not overlays. */
const MOUNTED: readonly string[] = ['/proc', '/dev', '/tmp', '/run', GUEST_HOME, GUEST_WORKSPACE]

/** Where a volume keeps what was written to the system. Pure. */
export function keptSystemPath(volumePath: string): string {
  return join(volumePath, HOST_DIRECTORY, SYSTEM)
}

/** Makes that place, as `makeDirectory` does: only one of the host's root is fit. Needs root. */
export function makeKeptSystem(volumePath: string): readonly MovedAside[] {
  const of = { owner: HOST_ROOT, mode: 0o700, isFit: isOfHost }
  return [
    ...makeDirectory(volumePath, { ...of, parent: '', name: HOST_DIRECTORY }),
    ...makeDirectory(volumePath, { ...of, parent: HOST_DIRECTORY, name: SYSTEM }),
  ]
}

/** True once the place has been made. */
export function isKeptSystem(volumePath: string): boolean {
  return isOfHost(join(volumePath, HOST_DIRECTORY)) && isOfHost(keptSystemPath(volumePath))
}

/**
 * Removes what was written where something is mounted, unless it is a directory: a link there would lead a mount, or the
 * host, elsewhere. A running guest cannot put one there; a bundle of others may hold one.
 */
export function clearMountPoints(upperPath: string, overlays: readonly SystemOverlay[]): void {
  for (const { name, target } of overlays) {
    if (!isOwnDirectory(join(upperPath, name)) || !isOwnDirectory(join(upperPath, name, 'upper'))) continue
    const below = [...MOUNTED, ...overlays.map((overlay) => overlay.target)].filter((path) => path !== target)
    for (const path of below)
      if (target === '/' || path.startsWith(`${target}/`))
        clear(join(upperPath, name, 'upper'), path.slice(target === '/' ? 1 : target.length + 1).split('/'))
  }
}

/** Removes it too where it is none. */
function isOwnDirectory(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined || found.isDirectory()) return found !== undefined
  rmSync(path)
  return false
}

function clear(directory: string, [name, ...rest]: readonly string[]): void {
  if (name === undefined || name === '' || !isOwnDirectory(join(directory, name))) return
  clear(join(directory, name), rest)
}

function isOfHost(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found?.isDirectory() === true && found.uid === HOST_ROOT.uid
}
