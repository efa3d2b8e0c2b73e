import assert from 'node:assert/strict'
import { lstatSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import { STAT_FIELDS } from '../scan/directory-state.ts'
import { RACY_MS } from './committer.ts'

/** Makes the committer believe that it has read the file as it is now. */
function rememberStats(workspace: CommittedWorkspace, name: string): void {
  const { state } = workspace.committer.remembered
  const directory = state.get('')
  assert.ok(directory)
  const { ino, size, mtimeMs, ctimeMs } = lstatSync(workspace.path(name))
  const stats = Float64Array.from(directory.stats)
  stats.set([ino, size, mtimeMs, ctimeMs], directory.names.indexOf(name) * STAT_FIELDS)
  state.set('', { ...directory, stats })
}

test('of a doubted image every file is read, whatever its stat fields say', async () => {
  await using workspace = await CommittedWorkspace.open()
  writeFileSync(workspace.path('file'), 'before')
  await workspace.commitNew()
  writeFileSync(workspace.path('file'), 'behind')
  await sleep(3 * RACY_MS)
  rememberStats(workspace, 'file')
  assert.equal((await workspace.commit()).kind, 'unchanged', 'the premise of this test')
  const { root } = await workspace.commitNew({ isDoubted: true })
  await workspace.assertRestores(root)
  assert.equal((await workspace.commit({ isDoubted: true })).kind, 'unchanged')
})
