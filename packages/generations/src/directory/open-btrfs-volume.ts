import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import type { Holdfs } from '../holdfs/holdfs.ts'
import { BtrfsVolume, type BtrfsVolumeRequest } from '../volume/btrfs-volume.ts'
import type { VolumeOrigin } from '../volume/volume.ts'
import type { DirectoryConfig, Home } from './home.ts'

export interface BtrfsDirectoryDeps {
  readonly home: Home
  readonly holdfs: Holdfs
  readonly clock: Clock
  readonly randomness: Randomness
}

/**
 * Rejects with `invalid-argument` for a directory inside another one that is kept: the outer one's captures would not
 * hold what is in it.
 */
export function refuseInside(home: Home, { path }: DirectoryConfig): void {
  const outer = home.directories().find((known) => path.startsWith(`${known.path}/`))
  if (outer === undefined) return
  const said = `${path} lies in ${outer.path}, which is kept already`
  throw new Failure('invalid-argument', said, { path, outer: outer.path })
}

/** Makes the btrfs volume of a new directory, which may begin as a copy of a local snapshot. Rejects as `BtrfsVolume.create`. */
export function makeBtrfsVolume(
  deps: BtrfsDirectoryDeps,
  config: DirectoryConfig,
  origin?: VolumeOrigin,
): Promise<BtrfsVolume> {
  return BtrfsVolume.create(deps, requestFor(deps, config), origin)
}

export type OpenBtrfsVolume = BtrfsVolume

/** The btrfs volume of a directory that has one, mounted if need be. Rejects as `BtrfsVolume.open` does. */
export function openBtrfsVolume(deps: BtrfsDirectoryDeps, config: DirectoryConfig): Promise<BtrfsVolume> {
  return BtrfsVolume.open(deps, requestFor(deps, config))
}

/** The same, where it is. Rejects as `BtrfsVolume.find` does. */
export function findBtrfsVolume(deps: BtrfsDirectoryDeps, config: DirectoryConfig): Promise<BtrfsVolume> {
  return BtrfsVolume.find(deps, requestFor(deps, config))
}

function requestFor({ home }: BtrfsDirectoryDeps, { workspace, path }: DirectoryConfig): BtrfsVolumeRequest {
  return { home: home.path, workspace, path, state: home.directoryPath(workspace) }
}
