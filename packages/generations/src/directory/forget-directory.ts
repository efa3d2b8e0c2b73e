import { renameSync, rmSync, statfsSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import type { Notice } from '../format/generation-record.ts'
import type { GenerationRow } from '../index/generation-index.ts'
import type { DurableDirectory } from './durable-directory.ts'
import type { HeldHistory } from './held-history.ts'
import { readJsonFile, replaceFile, syncDirectory } from './json-file.ts'
import { findBtrfsVolume, type OpenBtrfsVolume, openBtrfsVolume } from './open-btrfs-volume.ts'
import { makeStaging, removeAbandoned } from './restore-staging.ts'

/** What became of a directory: it was left as it was, or its files came out of a volume of ours. */
export type Forgotten = 'untouched' | 'put-back'

/** Room that an inode and the end of its last block take, in bytes. */
const FILE_OVERHEAD_BYTES = 4096
const LOST: readonly Notice['reason'][] = ['subvolume-skipped', 'fifo-skipped', 'not-captured']

/*
 * Files come out of a volume in this order, so that there is always the volume, or the complete copy, or both:
 *
 *     unmount          nobody writes any more
 *     commit           what is there is in the history
 *     restore beside   every byte proven against its hash, all of it on disk
 *     put-back.json    names the copy by device and inode
 *     rename           the copy is the directory
 *     delete           the volume, its snapshots, then what the home knows
 *
 * Killed before the rename, the directory is mounted again by the next command; killed after it, the next forget finds
 * the copy in its place, and deletes the rest.
 */

/**
 * Ends Holdfast's part in a directory: what this home knows of it goes, its files, its history and its store stay.
 * Rejects with `lease-held` while a process writes the history or uses a volume, with `volume-full` where its files have
 * no room beside it, with `unsupported-file` for a volume that holds what no generation does, and as commits and
 * restores do; then the directory is as it was.
 */
export async function forgetDirectory(directory: DurableDirectory): Promise<Forgotten> {
  using held = await directory.hold()
  const { deps, config } = directory
  const end = config.volume === 'live' ? 'untouched' : await leaveVolume(directory, held)
  deps.home.removeDirectory(config.workspace)
  return end
}

async function leaveVolume(directory: DurableDirectory, held: HeldHistory): Promise<Forgotten> {
  const { deps, config } = directory
  if (!isPutBack(directory)) {
    await using volume = await openBtrfsVolume(deps, config)
    if (volume.isNative) {
      await volume.release()
      return 'untouched'
    }
    await volume.park()
    try {
      await putBack(directory, held, volume)
    } catch (error) {
      await openBtrfsVolume(deps, config)
      throw error
    }
  }
  await using volume = await findBtrfsVolume(deps, config)
  await volume.destroy()
  return 'put-back'
}

async function putBack(
  directory: DurableDirectory,
  held: HeldHistory,
  volume: OpenBtrfsVolume,
): Promise<void> {
  const { deps, config } = directory
  const generation = await commitLast(directory, held, volume)
  await removeAbandoned(config.path)
  refuseTooLittleRoom(dirname(config.path), generation)
  const staging = makeStaging(config.path, deps.randomness, 'forgetting')
  using _making = deps.unfinished?.add(staging)
  try {
    await directory.restoreInto({ generation, path: staging })
    recordCopy(directory, staging)
    renameSync(staging, config.path)
  } catch (error) {
    await rm(staging, { recursive: true, force: true })
    rmSync(copyRecord(directory), { force: true })
    throw error
  }
  syncDirectory(dirname(config.path))
}

/** Rejects with `unsupported-file`, naming what the copy would lack. */
async function commitLast(
  directory: DurableDirectory,
  held: HeldHistory,
  volume: OpenBtrfsVolume,
): Promise<GenerationRow> {
  const writer = await directory.openWriter(held)
  await using capture = await volume.capture(null)
  const request = { cause: 'sync', message: 'before it was forgotten', always: true } as const
  const outcome = await writer.commit(capture.image, request)
  if (outcome.kind === 'unchanged') return outcome.head
  const lost = outcome.generation.notices.find(({ reason }) => LOST.includes(reason))
  if (lost === undefined) return await directory.index.generation(outcome.generation.id)
  const said = `${lost.path} is in no generation (${lost.reason}) and would be lost with the volume`
  throw new Failure('unsupported-file', said, { path: lost.path })
}

function refuseTooLittleRoom(folder: string, { bytes, files }: GenerationRow): void {
  const { bavail, bsize } = statfsSync(folder)
  const bytesNeeded = bytes + files * FILE_OVERHEAD_BYTES
  if (bavail * bsize >= bytesNeeded) return
  const details = { bytesFree: bavail * bsize, bytesNeeded }
  throw new Failure('volume-full', `${folder} has too little space for the files of the volume`, details)
}

function copyRecord({ folder }: DurableDirectory): string {
  return join(folder, 'put-back.json')
}

/** Records that the directory at `copy` is complete: once it is in its place, the volume is not needed. */
export function recordCopy(directory: DurableDirectory, copy: string): void {
  const { dev, ino } = statSync(copy)
  replaceFile(copyRecord(directory), `${JSON.stringify({ dev, ino })}\n`)
}

function isPutBack(directory: DurableDirectory): boolean {
  const copy = readJsonFile(copyRecord(directory))
  const there = statSync(directory.config.path, { throwIfNoEntry: false })
  return copy !== undefined && there !== undefined && copy.ino === there.ino && copy.dev === there.dev
}
