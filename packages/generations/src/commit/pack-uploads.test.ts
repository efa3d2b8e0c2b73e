import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import { FaultyObjectStore } from '@holdfast/testkit/faulty-object-store'
import { noise } from '@holdfast/testkit/noise'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { Committer } from './committer.ts'

const FILES = 24
/** Room in a record for the rows of three packs. */
const ROW_BYTES_MAX = 600

test('a commit of more packs than a record can name stops as soon as they do not fit', async () => {
  const puts: string[] = []
  const store = new FaultyObjectStore(new MemoryObjectStore(systemClock), (operation) => {
    if (operation === 'put') puts.push(operation)
    return undefined
  })
  await using workspace = await CommittedWorkspace.open({ store })
  mkdirSync(workspace.path('many'))
  for (let file = 0; file < FILES; file++) writeFileSync(workspace.path(`many/${file}`), noise(file, 8 << 20))
  const deps = { ...workspace.deps, packRowBytesMax: ROW_BYTES_MAX }
  const committer = await Committer.open(deps, workspace.lease)
  const image = { path: workspace.source, changes: { kind: 'unknown' }, consistency: 'cut' } as const
  let read = { filesTotal: 0, bytesDone: 0 }
  const onProgress = (progress: { bytesDone: number; filesTotal?: number }) => {
    read = { filesTotal: progress.filesTotal ?? 0, bytesDone: progress.bytesDone }
  }
  await assert.rejects(
    committer.commit(image, { cause: 'sync', message: '', onProgress }),
    (error) => isFailure(error, 'unsupported-file') && error.details.packs === puts.length,
  )
  assert.ok(puts.length <= ROW_BYTES_MAX / 150, `${puts.length} packs were put`)
  assert.ok(read.bytesDone < (FILES * 8) << 20, `${read.bytesDone} bytes were read`)
  assert.equal((await workspace.deps.index.workspace(workspace.lease.workspace)).head, null)
  await workspace.commitNew()
})
