import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { type CommitChildOptions, commitInProcess } from '@holdfast/testkit/commit-process'
import { CommittedWorkspace, ORG } from '@holdfast/testkit/committed-workspace'
import { withCrashableExt4 } from '@holdfast/testkit/ext4-image'
import { noise } from '@holdfast/testkit/noise'
import { assertSameTree } from '@holdfast/testkit/tree-facts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import { Holdfs } from '../holdfs/holdfs.ts'
import { SqliteGenerationIndex } from '../index/sqlite-generation-index.ts'
import { ChunkReader } from '../read/chunk-reader.ts'
import { loadCurrentChunks, readableChunks } from '../read/load-chunk-index.ts'
import { RestoreThreads } from '../restore/restore-threads.ts'
import { restoreTree } from '../restore/restore-tree.ts'
import { openFolderObjectStore } from '../store/folder-object-store.ts'

const WORKSPACE = 'ws'
const CODING = { seal: null }

/** The places of one history: a source, a store and an index beside one another. */
function placesIn(home: string): CommitChildOptions {
  const at = (name: string) => join(home, name)
  return { source: at('source'), store: at('store'), index: at('index.sqlite'), workspace: WORKSPACE }
}

async function begin(places: CommitChildOptions): Promise<void> {
  await using index = await SqliteGenerationIndex.open({ path: places.index })
  await index.createWorkspace({ id: WORKSPACE, org: ORG })
}

function write(places: CommitChildOptions, round: number): void {
  mkdirSync(join(places.source, 'd'), { recursive: true })
  writeFileSync(join(places.source, 'a'), `round ${round}`)
  writeFileSync(join(places.source, 'd', `file ${round}`), noise(round, 200_000))
}

/** Restores the head from what lies on the disk into `path` and returns its id. */
async function restoreHead(holdfs: Holdfs, places: CommitChildOptions, path: string): Promise<string | null> {
  const deps = { clock: systemClock, randomness: systemRandomness }
  await using store = await openFolderObjectStore(places.store, deps)
  await using index = await SqliteGenerationIndex.open({ path: places.index, mustExist: true })
  const { head } = await index.workspace(WORKSPACE)
  mkdirSync(path)
  if (head === null) return null
  const { root } = await index.generation(head)
  const ports = { store, coding: CODING }
  const current = await loadCurrentChunks({ ...ports, index }, { org: ORG, workspace: WORKSPACE })
  const chunks = new ChunkReader({ ...ports, index: readableChunks(current) })
  const threads = new RestoreThreads(1, null)
  await restoreTree(
    { ...ports, chunks, holdfs, threads, setOwners: true },
    { root: chunkIdFromHex(root), path },
  )
  return head
}

interface Kill {
  readonly call: number
  readonly when: 'before' | 'after'
}

/** Kills a commit at one call, looks at what is there, and commits again. Resolves with the head after that. */
async function killAndLook(
  holdfs: Holdfs,
  home: string,
  kill: Kill & { old: string; isLast: boolean },
): Promise<string> {
  const places = placesIn(home)
  const { call, when, old } = kill
  const before = join(home, `before ${when} ${call}`)
  const restored = join(home, `restored ${when} ${call}`)
  cpSync(places.source, before, { recursive: true, preserveTimestamps: true })
  write(places, call * 2 + (when === 'after' ? 1 : 0))
  assert.equal((await commitInProcess({ ...places, killAt: { call, when } })).kind, 'killed')
  const isNew = kill.isLast && when === 'after'
  assert.equal((await restoreHead(holdfs, places, restored)) === old, !isNew)
  execFileSync('diff', ['-r', restored, isNew ? places.source : before])
  const next = await commitInProcess(places)
  assert.equal(next.kind, isNew ? 'unchanged' : 'committed')
  return next.kind === 'committed' || next.kind === 'unchanged' ? next.id : ''
}

describe('a commit that is killed with -9', () => {
  test('at any call of its store or index leaves the old head or the new one, and either is restored', async () => {
    const home = mkdtempSync(join(tmpdir(), 'holdfast-kill-'))
    await using holdfs = await Holdfs.start()
    try {
      const places = placesIn(home)
      await begin(places)
      write(places, 0)
      const first = await commitInProcess(places)
      const { calls, id } = first.kind === 'committed' ? first : assert.fail(first.kind)
      assert.ok(calls >= 2)
      let old = id
      for (let call = 1; call <= calls; call++) {
        const isLast = call === calls
        old = await killAndLook(holdfs, home, { call, when: 'before', old, isLast })
        if (isLast) old = await killAndLook(holdfs, home, { call, when: 'after', old, isLast })
      }
      const last = join(home, 'last')
      assert.equal(await restoreHead(holdfs, places, last), old)
      await assertSameTree(holdfs, last, places.source)
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })
})

describe('a commit that has resolved', () => {
  test('is there after a loss of power, in the index and in the store', async () => {
    await withCrashableExt4(256 << 20, async (mountDir, crash) => {
      const places = placesIn(mountDir)
      const deps = { clock: systemClock, randomness: systemRandomness }
      const store = await openFolderObjectStore(places.store, deps)
      const index = await SqliteGenerationIndex.open({ path: places.index })
      await using workspace = await CommittedWorkspace.open({ source: places.source, store, index })
      for (let round = 0; round < 3; round++) {
        write(places, round)
        const { id } = await workspace.commitNew()
        await crash(async (crashed) => {
          const restored = join(workspace.home, `crashed-${round}`)
          assert.equal(await restoreHead(workspace.holdfs, placesIn(crashed), restored), id)
          await assertSameTree(workspace.holdfs, restored, places.source)
        })
      }
    })
  })
})
