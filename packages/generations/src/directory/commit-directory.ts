import { isFailure } from '@holdfast/base/failure'
import type { CommitOutcome, CommitRequest } from '../commit/committer.ts'
import type { StageProgress } from '../stage/stage-meter.ts'
import { callWatcher } from './control-client.ts'
import { type DirectoryDeps, type DirectoryWriter, DurableDirectory } from './durable-directory.ts'
import { openVolume } from './open-volume.ts'
import { tidyWhenDue } from './tidy-when-due.ts'
import { answerOf, type CommitAnswer, type CommitWish } from './watch-requests.ts'
import { acceptOutcome } from './watch-rounds.ts'
import type { MetFailure } from './watch-status.ts'

export interface CommitDirectoryRequest {
  readonly path: string
  /** A checkpoint is a generation even if nothing has changed. */
  readonly wish: CommitWish
  /** Called while this process makes the commit, and not a watch. */
  readonly onProgress?: (progress: StageProgress) => void
}

export interface DirectoryCommit extends CommitAnswer {
  /** Who made it: this process, or the watch that runs. */
  readonly by: 'self' | 'watcher'
  /** Why packs that were to be merged were not: the commit stands, and the next one tries again. Null: they were, or none. */
  readonly untidied: MetFailure | null
}

/** Between these a watch that is starting, or another commit, may have come as far as it must. */
const HELD_RETRY_MS = [50, 100, 200, 400, 800, 1600] as const
/** A tree that changed while it was read, or a commit that GC overtook, is read again after these. */
const AGAIN_AFTER_MS = [10, 50, 250, 1000, 2000] as const

/**
 * Commits a directory once. While a watch runs, the watch does it, with its freeze. Rejects with `not-found`, with
 * `lease-held` when another process writes this history without a watch, and as a commit does.
 */
export async function commitDirectory(
  deps: DirectoryDeps,
  request: CommitDirectoryRequest,
): Promise<DirectoryCommit> {
  await using directory = await DurableDirectory.open(deps, request.path)
  for (const waitMs of HELD_RETRY_MS) {
    const done = (await commitHere(directory, request)) ?? (await commitThere(directory, request.wish))
    if (done) return done
    await deps.clock.sleep(waitMs)
  }
  using writer = await directory.openWriter()
  return await commitOnce(directory, writer, request)
}

/** Undefined when another process holds the right to write. */
async function commitHere(
  directory: DurableDirectory,
  request: CommitDirectoryRequest,
): Promise<DirectoryCommit | undefined> {
  using writer = await openUnlessHeld(directory)
  return writer && (await commitOnce(directory, writer, request))
}

/** Undefined when no watch runs. */
async function commitThere(
  directory: DurableDirectory,
  wish: CommitWish,
): Promise<DirectoryCommit | undefined> {
  try {
    const { folder } = directory
    const answer =
      wish.kind === 'sync'
        ? await callWatcher(folder, { request: 'sync' })
        : await callWatcher(folder, { request: 'checkpoint', message: wish.message })
    return { ...answer, by: 'watcher', untidied: null }
  } catch (error) {
    if (isFailure(error, 'not-found')) return undefined
    throw error
  }
}

async function openUnlessHeld(directory: DurableDirectory): Promise<DirectoryWriter | undefined> {
  try {
    return await directory.openWriter()
  } catch (error) {
    if (isFailure(error, 'lease-held')) return undefined
    throw error
  }
}

async function commitOnce(
  directory: DurableDirectory,
  writer: DirectoryWriter,
  request: CommitDirectoryRequest,
): Promise<DirectoryCommit> {
  const outcome = await commitSteady(directory, writer, request)
  writer.saveState()
  const untidied = outcome.kind === 'committed' ? await tidyWhenDue(directory, writer.lease) : null
  return { ...answerOf(outcome), by: 'self', untidied }
}

async function commitSteady(
  directory: DurableDirectory,
  writer: DirectoryWriter,
  { wish, onProgress }: CommitDirectoryRequest,
): Promise<CommitOutcome> {
  await using volume = await openVolume(directory)
  const request: CommitRequest =
    wish.kind === 'sync'
      ? { cause: 'sync', message: '', onProgress }
      : { cause: 'checkpoint', message: wish.message, always: true, onProgress }
  const attempt = async (): Promise<CommitOutcome> => {
    await using capture = await volume.capture(null)
    const outcome = await writer.commit(capture.image, request)
    await acceptOutcome(capture, outcome)
    return outcome
  }
  for (const waitMs of AGAIN_AFTER_MS) {
    try {
      return await attempt()
    } catch (error) {
      if (!isFailure(error, 'file-unstable', 'gc-expired')) throw error
      await directory.deps.clock.sleep(waitMs)
    }
  }
  return await attempt()
}
