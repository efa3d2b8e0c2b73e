import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Runs `use` with the mount point of the ext4 in `image`, and unmounts it also when `use` fails. Needs root. */
async function withMountedImage<T>(image: string, use: (mountDir: string) => Promise<T>): Promise<T> {
  const mountDir = `${image}.mount`
  await mkdir(mountDir)
  await run('mount', ['-t', 'ext4', '-o', 'loop', image, mountDir])
  try {
    return await use(mountDir)
  } finally {
    await run('umount', [mountDir]).catch(async (cause) => {
      await run('umount', ['--lazy', mountDir])
      throw cause
    })
  }
}

/**
 * Runs `use` with the mount point of a fresh ext4 of `bytes`, and with `crash`: it takes a copy of what has reached the
 * disk at that moment, as a loss of power would leave it, and mounts the copy.
 */
export async function withCrashableExt4<T>(
  bytes: number,
  use: (mountDir: string, crash: (look: (mountDir: string) => Promise<void>) => Promise<void>) => Promise<T>,
): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'holdfast-ext4-'))
  const image = join(home, 'image')
  let crashes = 0
  const crash = async (look: (mountDir: string) => Promise<void>) => {
    crashes += 1
    const copy = join(home, `crash-${crashes}`)
    await run('cp', ['--sparse=always', image, copy])
    await withMountedImage(copy, look)
  }
  try {
    await writeFile(image, '')
    await truncate(image, bytes)
    await run('mkfs.ext4', ['-q', '-F', image])
    return await withMountedImage(image, (mountDir) => use(mountDir, crash))
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

/** Runs `use` with the mount point of a fresh ext4 of `bytes`, made with further arguments of mkfs, and its image file. */
export async function withFormattedImage<T>(
  bytes: number,
  mkfsArguments: readonly string[],
  use: (mountDir: string, image: string) => Promise<T>,
): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'holdfast-ext4-'))
  const image = join(home, 'image')
  try {
    await writeFile(image, '')
    await truncate(image, bytes)
    await run('mkfs.ext4', ['-q', '-F', ...mkfsArguments, image])
    return await withMountedImage(image, (mountDir) => use(mountDir, image))
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
