import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What mkfs.btrfs accepts at least, with room for a few subvolumes. */
export const BTRFS_IMAGE_BYTES_MIN = 256 * 1024 * 1024

/**
 * Runs `use` with the mount point of a fresh btrfs on a sparse image file of `bytes`; unmounts and removes it also
 * when `use` fails. Needs root, loop devices and btrfs-progs.
 */
export async function withBtrfsImage<T>(bytes: number, use: (mountDir: string) => Promise<T>): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'holdfast-btrfs-'))
  const image = join(home, 'image')
  const mountDir = join(home, 'mount')
  try {
    await mkdir(mountDir)
    await writeFile(image, '')
    await truncate(image, bytes)
    await run('mkfs.btrfs', ['-q', image])
    await run('mount', ['-o', 'loop', image, mountDir])
    try {
      return await use(mountDir)
    } finally {
      await unmount(mountDir)
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

/** Something still open in it fails the test, but leaves no mount behind. */
async function unmount(mountDir: string): Promise<void> {
  try {
    await run('umount', [mountDir])
  } catch (cause) {
    await run('umount', ['--lazy', mountDir])
    throw cause
  }
}
