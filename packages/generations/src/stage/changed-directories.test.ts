import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import { changeRandomTree, makeRandomTree } from '@holdfast/testkit/random-tree'
import type { ByteString } from '../format/byte-string.ts'
import { Holdfs } from '../holdfs/holdfs.ts'
import { SourceDirectory } from '../scan/source-directory.ts'
import { surveyDirectory } from '../scan/survey.ts'
import { findChangedDirectories } from './changed-directories.ts'

const ROUNDS = 6
/** Longer than the tick of any clock: nothing that was there before counts as just written. */
const SETTLED_MS = 60

/** What Node alone finds: every directory, and the changed ones. */
function surveyed(workspace: CommittedWorkspace, source: SourceDirectory) {
  const { state } = workspace.committer.remembered
  const surveyOne = (path: ByteString) => surveyDirectory({ source, state, racyFromMs: Infinity }, path)
  const met: ByteString[] = []
  const waiting = ['']
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    met.push(path)
    waiting.push(...surveyOne(path).subdirectories())
  }
  const changed = met.filter((path) => !surveyOne(path).isUnchanged)
  return { surveyOne, met, changed }
}

async function compare(workspace: CommittedWorkspace, holdfs: Holdfs) {
  using source = new SourceDirectory(workspace.source)
  const { state } = workspace.committer.remembered
  const { surveyOne, met, changed } = surveyed(workspace, source)
  const found = await findChangedDirectories({ holdfs, pool: workspace.deps.pool, source, state, surveyOne })
  assert.deepEqual([...found.met].sort(), met.toSorted())
  assert.deepEqual(found.changed.toSorted(), changed.toSorted())
  const position = new Map(found.changed.map((path, index) => [path, index]))
  for (const [path, index] of position) {
    const parent = position.get(path.slice(0, Math.max(0, path.lastIndexOf('/'))))
    assert.ok(path === '' || parent === undefined || parent < index, 'parents come first')
  }
  return found
}

const settled = (workspace: CommittedWorkspace) => workspace.deps.clock.sleep(SETTLED_MS)

describe('changed directories', () => {
  test('they are those that a survey of every name finds', async () => {
    await using workspace = await CommittedWorkspace.open()
    await makeRandomTree(workspace.holdfs, workspace.source, { seed: 1, names: 300 })
    for (let round = 0; round < ROUNDS; round++) {
      await settled(workspace)
      await workspace.commit()
      assert.equal((await compare(workspace, workspace.holdfs)).changedNames, 0)
      await changeRandomTree(workspace.holdfs, workspace.source, { seed: 10 + round, names: 0, changes: 4 })
      assert.ok((await compare(workspace, workspace.holdfs)).changed.length > 0)
    }
  })

  test('a tree of many names is compared by several companions', async () => {
    await using workspace = await CommittedWorkspace.open()
    for (let directory = 0; directory < 90; directory++) {
      const path = workspace.path(`top/${directory}/sub`)
      mkdirSync(path, { recursive: true })
      for (let name = 0; name < 60; name++) writeFileSync(join(path, `${name}`), '')
    }
    await settled(workspace)
    await workspace.commit()
    writeFileSync(workspace.path('top/77/sub/new'), '')
    rmSync(workspace.path('top/88'), { recursive: true })
    const { changed, changedNames } = await compare(workspace, workspace.holdfs)
    assert.deepEqual(changed, ['', 'top', 'top/77', 'top/77/sub'])
    assert.equal(changedNames, 1 + 89 + 1 + 61)
  })

  test('what was written within a tick of the last survey counts as changed', async () => {
    await using workspace = await CommittedWorkspace.open()
    mkdirSync(workspace.path('quiet'))
    await settled(workspace)
    mkdirSync(workspace.path('busy'))
    writeFileSync(workspace.path('busy/file'), 'just now')
    await workspace.commit()
    using source = new SourceDirectory(workspace.source)
    const { state } = workspace.committer.remembered
    const { holdfs, pool } = workspace.deps
    const surveyOne = () => assert.fail('the companion tells')
    const found = await findChangedDirectories({ holdfs, pool, source, state, surveyOne })
    assert.deepEqual(found.changed, ['', 'busy'])
  })

  test('without a companion that answers, the directories are surveyed here', async () => {
    await using workspace = await CommittedWorkspace.open()
    await makeRandomTree(workspace.holdfs, workspace.source, { seed: 2, names: 60 })
    await settled(workspace)
    await workspace.commit()
    writeFileSync(workspace.path('new'), '')
    const ended = await Holdfs.start()
    await ended[Symbol.asyncDispose]()
    assert.deepEqual((await compare(workspace, ended)).changed, [''])
  })
})
