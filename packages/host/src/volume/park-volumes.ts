import { isFailure } from '@holdfast/base/failure'
import type { DirectoryDeps } from '@holdfast/generations/directory/durable-directory'
import { findBtrfsVolume } from '@holdfast/generations/directory/open-btrfs-volume'
import { unmountImage } from '@holdfast/generations/volume/btrfs-image'
import { mountOf } from '@holdfast/generations/volume/mount-table'

/** What held a mount a moment ago may take so many looks to be gone. */
const LOOKS_MAX = 20
const LOOK_MS = 100

/**
 * Puts the volumes of a host away on which nothing runs any more: their writes are on its disk, nothing stays mounted. What
 * is in use all the same stays, and the next agent finds it in its place, as after a crash.
 */
export async function parkVolumes(deps: DirectoryDeps): Promise<void> {
  const volumes = deps.home.directories().filter(({ volume }) => volume === 'btrfs')
  for (const config of volumes.filter(({ path }) => mountOf(path)?.type === 'btrfs')) {
    const volume = await findBtrfsVolume(deps, config)
    await untilFree(deps, async () => {
      await volume.park()
      return true
    })
  }
  await untilFree(deps, () => unmountImage(deps.home.path, deps.clock))
}

async function untilFree({ clock }: DirectoryDeps, letGo: () => Promise<boolean>): Promise<void> {
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    try {
      if (await letGo()) return
    } catch (error) {
      if (!isFailure(error)) throw error
      if (error.code !== 'lease-held') return
    }
    await clock.sleep(LOOK_MS)
  }
}
