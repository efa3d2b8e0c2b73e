import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { isFailure } from '@holdfast/base/failure'
import {
  appendChain,
  commitOn,
  ORG,
  type Parent,
  rejectsWith,
  WORKSPACE,
} from '@holdfast/testkit/generation-index-fixture'
import type { GenerationIndex, HeldLease } from './generation-index.ts'
import { SqliteGenerationIndex } from './sqlite-generation-index.ts'

const run = promisify(execFile)

async function withDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-index-'))
  try {
    await use(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** A filesystem of 1 MiB of its own. Needs root. */
async function withSmallVolume(use: (directory: string) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory])
    try {
      await use(directory)
    } finally {
      await run('umount', [directory])
    }
  })
}

async function openWorkspace(path: string): Promise<{ index: SqliteGenerationIndex; lease: HeldLease }> {
  const index = await SqliteGenerationIndex.open({ path, busyTimeoutMs: 30 })
  await index.createWorkspace({ id: WORKSPACE, org: ORG })
  return { index, lease: await index.acquire(WORKSPACE) }
}

/** Appends until one fails; returns the commits that did not, and what failed. */
async function appendUntilFailure(index: GenerationIndex, lease: HeldLease) {
  let parent: Parent = null
  for (let made = 0; made < 5_000; made += 1) {
    const commit = commitOn(lease, parent, { message: 'm'.repeat(2_000) })
    try {
      await index.append(lease, commit)
    } catch (error) {
      return { parent, commit, error }
    }
    parent = commit
  }
  throw new Error('nothing failed')
}

test('on a full volume a commit is refused as such, and goes through once there is space', () =>
  withSmallVolume(async (directory) => {
    const ballast = join(directory, 'ballast')
    await writeFile(ballast, Buffer.alloc(300 * 1024))
    const opened = await openWorkspace(join(directory, 'history.db'))
    await using index = opened.index
    const { parent, commit, error } = await appendUntilFailure(index, opened.lease)
    assert.ok(isFailure(error, 'volume-full'), String(error))
    assert.equal((await index.workspace(WORKSPACE)).head, parent?.id)
    await rm(ballast)
    await index.append(opened.lease, commit)
    assert.equal((await index.workspace(WORKSPACE)).head, commit.id)
  }))

test('on a read-only volume a history is refused as not permitted', () =>
  withSmallVolume(async (directory) => {
    const path = join(directory, 'history.db')
    await (await openWorkspace(path)).index[Symbol.asyncDispose]()
    await run('mount', ['-o', 'remount,ro', directory])
    await rejectsWith('no-permission', SqliteGenerationIndex.open({ path }))
  }))

test('a database that another process holds is unavailable, and the same commit goes through later', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'history.db')
    const opened = await openWorkspace(path)
    await using index = opened.index
    const commit = commitOn(opened.lease, null)
    using other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    await rejectsWith('index-unavailable', index.append(opened.lease, commit))
    assert.equal((await index.workspace(WORKSPACE)).head, null)
    other.exec('ROLLBACK')
    await index.append(opened.lease, commit)
  }))

/** Appends while this process cannot write beyond 300 KiB in any file: a write of the log fails with EFBIG. */
async function appendUntilBroken(index: GenerationIndex, lease: HeldLease) {
  await run('prlimit', ['--pid', String(process.pid), `--fsize=${300 * 1024}:`])
  try {
    return await appendUntilFailure(index, lease)
  } finally {
    await run('prlimit', ['--pid', String(process.pid), '--fsize=unlimited:'])
  }
}

test('after a failed write the history is opened anew: nothing acknowledged is gone, and appends go on', () =>
  withDirectory(async (directory) => {
    const opened = await openWorkspace(join(directory, 'history.db'))
    await using index = opened.index
    const failed = await appendUntilBroken(index, opened.lease)
    assert.ok(isFailure(failed.error, 'index-unavailable'), String(failed.error))
    assert.equal((await index.workspace(WORKSPACE)).head, failed.parent?.id)
    await index.append(opened.lease, failed.commit)
    await appendChain(index, opened.lease, { count: 3, after: failed.commit })
  }))

test('a history that vanished after a failed write is not begun anew', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'history.db')
    const opened = await openWorkspace(path)
    await using index = opened.index
    const failed = await appendUntilBroken(index, opened.lease)
    assert.ok(isFailure(failed.error, 'index-unavailable'), String(failed.error))
    await rm(path)
    await rejectsWith('not-found', index.workspaces(ORG))
  }))
