import { closeSync, existsSync, mkdirSync, openSync, renameSync, statfsSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import { ImageLock } from './image-lock.ts'
import { type Mount, mountAt, mountTable } from './mount-table.ts'
import { type ProgramResult, programFailure, runOrFail, runProgram } from './program.ts'

/** Smaller ones leave too little beside the metadata of a few snapshots. */
const IMAGE_BYTES_MIN = 2 * 1024 ** 3
/** Of the free space: the rest stays with the file system that holds the image. */
const FREE_SHARE = 0.9
const BLOCK_BYTES = 1 << 20
const LOOP_MAJOR = '7'

/** Our own btrfs in a sparse file, mounted: for homes that lie on another file system. */
export interface BtrfsImage {
  /** Where its top level is mounted. */
  readonly top: string
  readonly device: string
}

/**
 * Mounts the image of a home, which is made the first time. Rejects with `unsupported-here` where btrfs, loop devices
 * or the right to mount are missing, and with `volume-full` where too little space is free.
 */
export async function mountImage(home: string, clock: Clock): Promise<BtrfsImage> {
  const top = join(home, 'volumes')
  const image = join(home, 'btrfs.img')
  const mounted = mountAt(top)
  if (mounted && isUsable(mounted)) return { top, device: mounted.source }
  using _lock = await ImageLock.take(join(home, 'btrfs.lock'), clock)
  const broken = mountAt(top)
  if (broken?.isReadOnly) await takeDown(broken)
  if (mountAt(top)?.type !== 'btrfs') {
    if (!existsSync(image)) await makeImage(home, image)
    mkdirSync(top, { recursive: true, mode: 0o700 })
    await mountLoop(image, top)
  }
  const found = mountAt(top)
  if (found === undefined) throw new Failure('unsupported-here', `${image} was mounted and is not there`)
  return { top, device: found.source }
}

/** Unmounts the image of a home, if it is mounted. False while something in it is in use. */
export async function unmountImage(home: string, clock: Clock): Promise<boolean> {
  const top = join(home, 'volumes')
  if (mountAt(top) === undefined) return true
  using _lock = await ImageLock.take(join(home, 'btrfs.lock'), clock)
  return mountAt(top) === undefined || (await unmount(top))
}

function isUsable({ type, isReadOnly }: Mount): boolean {
  return type === 'btrfs' && !isReadOnly
}

/**
 * Unmounts a file system whose disk refused a write, with all that is mounted from it: the next mount finds it as it
 * last stood whole. Rejects with `source-failed` while something in it is in use.
 */
async function takeDown({ source }: Mount): Promise<void> {
  for (const { mountPoint } of mountTable()
    .toReversed()
    .filter((mount) => mount.source === source)) {
    if (!(await unmount(mountPoint))) throw inUse(mountPoint)
  }
}

function inUse(path: string): Failure {
  const said = `the disk below ${path} refused a write: see that it has space, and end what uses ${path}`
  return new Failure('source-failed', said, { path, errno: 'EROFS' })
}

/** True if enough space is free to make the image of a home. */
export function hasRoomForImage(home: string): boolean {
  return imageBytes(home) >= IMAGE_BYTES_MIN
}

function imageBytes(home: string): number {
  const { bavail, bsize } = statfsSync(home)
  return Math.floor((bavail * bsize * FREE_SHARE) / BLOCK_BYTES) * BLOCK_BYTES
}

async function makeImage(home: string, image: string): Promise<void> {
  const { bavail, bsize } = statfsSync(home)
  const bytes = imageBytes(home)
  if (bytes < IMAGE_BYTES_MIN) {
    const bytesNeeded = Math.ceil(IMAGE_BYTES_MIN / FREE_SHARE)
    throw new Failure('volume-full', `${home} has too little space for a volume`, {
      bytesFree: bavail * bsize,
      bytesNeeded,
    })
  }
  const draft = `${image}.new`
  closeSync(openSync(draft, 'w', 0o600))
  truncateSync(draft, bytes)
  // One copy of the metadata: the generations in the store are what must survive, not this disk.
  await runOrFail('mkfs.btrfs', ['--quiet', '--force', '--metadata', 'single', draft])
  renameSync(draft, image)
}

async function mountLoop(image: string, top: string): Promise<void> {
  const args = ['-t', 'btrfs', '-o', 'loop,noatime,subvolid=5', image, top]
  let result = await runProgram('mount', args)
  if (result.status !== 0 && (await makeLoopNode())) result = await runProgram('mount', args)
  if (result.status === 0) return
  // One that was taken down after a failed write lives on in other mount namespaces, and is not to be had a second time.
  if ((await runProgram('losetup', ['--associated', image])).stdout.trim() !== '') throw inUse(top)
  throw cannotMount(image, result)
}

/** Some containers have the loop driver and no device node for the next free one. True if one was made. */
async function makeLoopNode(): Promise<boolean> {
  const node = (await runProgram('losetup', ['--find'])).stdout.trim()
  const number = /^\/dev\/loop(\d+)$/.exec(node)?.[1]
  if (number === undefined || existsSync(node)) return false
  return (await runProgram('mknod', [node, 'b', LOOP_MAJOR, number])).status === 0
}

/** False while something in it is in use. By a program: the last one may take long, and the companion does no more then. */
async function unmount(path: string): Promise<boolean> {
  const result = await runProgram('umount', [path])
  if (result.status === 0) return true
  if (/busy/.test(result.stderr)) return false
  throw programFailure('umount', result)
}

function cannotMount(what: string, result: ProgramResult): Failure {
  const said = result.stderr.trim() || `status ${result.status}`
  return new Failure('unsupported-here', `cannot mount ${what}: ${said}`, { path: what })
}
