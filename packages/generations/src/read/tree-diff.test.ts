import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import { ForgedTree } from '@holdfast/testkit/forged-tree'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import { diffTrees, type StoredTree } from './tree-diff.ts'

test('a difference to a tree that describes 2^60 files is refused by name, on either side', async () => {
  const tree = new ForgedTree()
  const huge = tree.root(tree.doubled(tree.files(1), 60))
  const other = tree.root(tree.doubled(tree.files(2), 60))
  const small = tree.root(tree.files(3))
  await using workspace = await CommittedWorkspace.open()
  for (const [index, { bytes }] of tree.nodes.entries()) writeFileSync(workspace.path(`node ${index}`), bytes)
  await workspace.commitNew()
  const chunks = await workspace.chunks()
  const stored = (root: string): StoredTree => ({ root: chunkIdFromHex(root), files: 3 })
  const pairs = [
    [huge, small],
    [small, huge],
    [huge, other],
  ] as const
  for (const [from, to] of pairs) {
    await assert.rejects(
      async () => {
        for await (const _ of diffTrees(chunks, stored(from), stored(to)));
      },
      (error) => isFailure(error, 'object-corrupt'),
    )
  }
  let changes = 0
  for await (const _ of diffTrees(chunks, stored(huge), stored(huge))) changes++
  assert.equal(changes, 0)
})
