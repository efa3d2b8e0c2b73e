import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import { fromText } from '../format/byte-string.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import { mountImage } from './btrfs-image.ts'
import { directoryUsers } from './directory-users.ts'
import { mountAt, mountOf } from './mount-table.ts'

/** Where one workspace's subvolume and its snapshots are. */
export interface BtrfsPlace {
  /** The directory that writers use. */
  readonly path: string
  /** The directory that holds the subvolume. */
  readonly folder: string
  /** The subvolume's name in `folder`. */
  readonly name: string
  /** Holds the snapshots, on the same file system and outside of the subvolume. */
  readonly snapshots: string
  /** The device to mount the subvolume from; null: the directory is the subvolume itself. */
  readonly device: string | null
}

export interface PlaceRequest {
  readonly home: string
  readonly workspace: string
  /** Absolute and real. */
  readonly path: string
}

const CURRENT = 'current'

/**
 * The place of a workspace: beside its directory where that lies on btrfs, else in the image of the home, which is
 * mounted if need be. Rejects with `unsupported-here` and as `mountImage` does.
 */
export async function findPlace(clock: Clock, { home, workspace, path }: PlaceRequest): Promise<BtrfsPlace> {
  const folder = dirname(path)
  const mount = mountOf(folder)
  if (mount?.type === 'btrfs') {
    const snapshots = join(mount.mountPoint, '.holdfast-snapshots', workspace)
    return { path, folder, name: basename(path), snapshots, device: null }
  }
  const { top, device } = await mountImage(home, clock)
  return {
    path,
    folder: join(top, 'ws', workspace),
    name: CURRENT,
    snapshots: join(top, 'snapshots', workspace),
    device,
  }
}

/** The path of the subvolume itself. */
export function subvolumePath(place: BtrfsPlace): string {
  return join(place.folder, place.name)
}

/**
 * Makes the subvolume, with the owner and mode of the empty directory that it replaces: empty, or a copy of the
 * snapshot `from`. A directory that is a subvolume stays as it is. Rejects with `not-empty` for any other that holds
 * something.
 */
export async function makeSubvolume(
  holdfs: Holdfs,
  place: BtrfsPlace,
  from?: string,
): Promise<'made' | 'found'> {
  const { path, folder, name, device } = place
  const isSubvolume = existsSync(path) && (await holdfs.isSubvolumeRoot(fromText(path)))
  if (device === null && isSubvolume && from === undefined) {
    refuseMountPoint(path)
    return 'found'
  }
  if (existsSync(path) && (isSubvolume || readdirSync(path).length > 0)) {
    const hint = `begin with an empty directory, then copy what ${path} holds into it`
    throw new Failure('not-empty', `${path} holds something and is not a subvolume: ${hint}`, { path })
  }
  const before = statSync(path, { throwIfNoEntry: false })
  mkdirSync(folder, { recursive: true })
  if (device === null && before) rmdirSync(path)
  if (from === undefined) {
    await holdfs.subvolumeCreate(fromText(folder), fromText(name))
    if (before) {
      chownSync(subvolumePath(place), before.uid, before.gid)
      chmodSync(subvolumePath(place), before.mode & 0o7777)
    }
  } else {
    const snapshot = { source: fromText(from), parent: fromText(folder), name: fromText(name) }
    await holdfs.subvolumeSnapshot({ ...snapshot, readOnly: false })
  }
  return 'made'
}

/** Beside a mount point there is another file system, which cannot hold the snapshots. */
function refuseMountPoint(path: string): void {
  if (mountAt(path) === undefined) return
  throw new Failure('unsupported-here', `${path} is where a subvolume is mounted, not where it lies`, {
    path,
  })
}

/** True if the subvolume is where writers look for it. */
export function isAttached({ path, device }: BtrfsPlace): boolean {
  return device === null ? existsSync(path) : mountAt(path)?.type === 'btrfs'
}

/**
 * Lets writers find the subvolume. Rejects with `not-found` when it is gone, and with `not-empty` when something was
 * written into the directory that it covers.
 */
export async function attach(holdfs: Holdfs, place: BtrfsPlace): Promise<void> {
  const { path, device } = place
  if (!existsSync(subvolumePath(place))) {
    const said = `the volume of ${path} is gone: restore its newest generation elsewhere`
    throw new Failure('not-found', said, { path })
  }
  if (device === null || isAttached(place)) return
  mkdirSync(path, { recursive: true })
  if (readdirSync(path).length > 0) {
    const said = `${path} is not mounted and holds other files: move these away`
    throw new Failure('not-empty', said, { path })
  }
  const subvolume = fromText(pathOnDevice(place))
  try {
    await holdfs.mountSubvolume({ device: fromText(device), subvolume, path: fromText(path) })
  } catch (error) {
    if (!isFailure(error)) throw error
    const details = { path, errno: error.details.errno ?? 'unknown' }
    throw new Failure('unsupported-here', `cannot mount ${path}: ${error.message}`, details, error)
  }
}

function pathOnDevice(place: BtrfsPlace): string {
  const top = dirname(dirname(place.folder))
  return subvolumePath(place).slice(top.length)
}

/**
 * Takes the subvolume out of the writers' sight. Rejects with `lease-held` while one uses it, unless `force`: who has
 * it open then goes on with what nobody else sees.
 */
export async function detach(holdfs: Holdfs, place: BtrfsPlace, force: boolean): Promise<void> {
  const { path, device } = place
  const isFree =
    device === null
      ? force || directoryUsers(path).length === 0
      : !isAttached(place) || (await unmount(holdfs, path, force))
  if (isFree) return
  const pids = directoryUsers(path).join(', ')
  const who = pids === '' ? 'a process' : `process ${pids}`
  throw new Failure('lease-held', `${path} is in use by ${who}: end it, or force`, { path, pids })
}

/** False while something in it is in use; `lazy` takes it out of sight all the same. */
async function unmount(holdfs: Holdfs, path: string, lazy: boolean): Promise<boolean> {
  try {
    await holdfs.unmount(fromText(path), { lazy })
    return true
  } catch (error) {
    if (isFailure(error) && error.details.errno === 'EBUSY') return false
    throw error
  }
}
