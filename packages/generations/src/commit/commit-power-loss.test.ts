import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { CommittedWorkspace, ORG, WORKSPACE } from '@holdfast/testkit/committed-workspace'
import { withCrashableExt4 } from '@holdfast/testkit/ext4-image'
import { noise } from '@holdfast/testkit/noise'
import { assertSameTree } from '@holdfast/testkit/tree-facts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import { SqliteGenerationIndex } from '../index/sqlite-generation-index.ts'
import { ChunkReader } from '../read/chunk-reader.ts'
import { loadCurrentChunks, readableChunks } from '../read/load-chunk-index.ts'
import { RestoreThreads } from '../restore/restore-threads.ts'
import { restoreTree } from '../restore/restore-tree.ts'
import { openFolderObjectStore } from '../store/folder-object-store.ts'

const CODING = { seal: null }

interface Places {
  readonly source: string
  readonly store: string
  readonly index: string
}

/** The places of one history: a source, a store and an index beside one another. */
function placesIn(home: string): Places {
  const at = (name: string) => join(home, name)
  return { source: at('source'), store: at('store'), index: at('index.sqlite') }
}

function write(places: Places, round: number): void {
  mkdirSync(join(places.source, 'd'), { recursive: true })
  writeFileSync(join(places.source, 'a'), `round ${round}`)
  writeFileSync(join(places.source, 'd', `file ${round}`), noise(round, 200_000))
}

/** Restores the head from what lies on the disk into `path` and returns its id. */
async function restoreHead(holdfs: Holdfs, places: Places, path: string): Promise<string | null> {
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
