import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isFailure } from '@holdfast/base/failure'
import { fromText } from '../format/byte-string.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import { hasRoomForImage } from './btrfs-image.ts'
import { mountAt, mountOf } from './mount-table.ts'
import { runProgram } from './program.ts'

export interface ProbeRequest {
  readonly home: string
  /** Absolute and real; it may be absent. */
  readonly path: string
}

/**
 * What a btrfs volume takes at a path. `native`: the directory is a subvolume, and stays where and what it is. `empty`:
 * it has to be absent or empty. `none`: this machine has neither btrfs there nor what an image of the home needs.
 */
export type BtrfsProspect = 'native' | 'empty' | 'none'

/** Finds the prospect of a process that is root. Makes and mounts nothing. */
export async function probeBtrfs(holdfs: Holdfs, { home, path }: ProbeRequest): Promise<BtrfsProspect> {
  const below = mountOf(dirname(path))
  if (below?.type !== 'btrfs') return (await canHaveImage(home)) ? 'empty' : 'none'
  if (below.isReadOnly) return 'none'
  const isThere = existsSync(path) && (await holdfs.isSubvolumeRoot(fromText(path)))
  const isWithin = home === path || home.startsWith(`${path}/`)
  return isThere && !isWithin && mountAt(path) === undefined ? 'native' : 'empty'
}

async function canHaveImage(home: string): Promise<boolean> {
  const hasDriver = readFileSync('/proc/filesystems', 'latin1').includes('\tbtrfs\n')
  if (!hasDriver || !existsSync('/dev/loop-control')) return false
  if (!existsSync(join(home, 'btrfs.img')) && !hasRoomForImage(home)) return false
  try {
    return (await runProgram('mkfs.btrfs', ['--version'])).status === 0
  } catch (error) {
    if (isFailure(error)) return false
    throw error
  }
}
