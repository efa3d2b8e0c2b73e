import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import { ForgedTree } from '@holdfast/testkit/forged-tree'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import { planRestore } from '../restore/restore-plan.ts'
import type { ChunkReader } from './chunk-reader.ts'
import { walkTree } from './walk-tree.ts'

const isCorrupt = (error: unknown) => isFailure(error, 'object-corrupt')

/** Reads a forged tree from a store that holds its nodes. */
async function withStored(tree: ForgedTree, use: (chunks: ChunkReader) => Promise<void>): Promise<void> {
  await using workspace = await CommittedWorkspace.open()
  for (const [index, { bytes }] of tree.nodes.entries()) writeFileSync(workspace.path(`node ${index}`), bytes)
  await workspace.commitNew()
  await use(await workspace.chunks())
}

async function countNames(chunks: ChunkReader, root: string, files?: number): Promise<number> {
  let names = 0
  for await (const _ of walkTree(chunks, chunkIdFromHex(root), files)) names++
  return names
}

describe('the walk of a tree that no commit wrote', () => {
  test('that describes 2^60 files in sixty nodes is refused by name, and so is its restore', async () => {
    const tree = new ForgedTree()
    const root = tree.root(tree.doubled(tree.files(1), 60))
    await withStored(tree, async (chunks) => {
      for (const files of [undefined, 1, Number.MAX_SAFE_INTEGER]) {
        await assert.rejects(countNames(chunks, root, files), isCorrupt)
        await assert.rejects(planRestore(chunks, chunkIdFromHex(root), files), isCorrupt)
      }
    })
  })

  test('that describes 2^60 directories without a file in them is refused by name', async () => {
    const tree = new ForgedTree()
    const root = tree.root(tree.doubled(tree.files(0), 60))
    await withStored(tree, async (chunks) => {
      await assert.rejects(countNames(chunks, root, 0), isCorrupt)
    })
  })

  test('that holds more files than its record counts is refused where directories repeat', async () => {
    const tree = new ForgedTree()
    const root = tree.root(tree.repeated(tree.files(100), 300))
    await withStored(tree, async (chunks) => {
      await assert.rejects(countNames(chunks, root, 29_999), isCorrupt)
      assert.equal(await countNames(chunks, root, 30_000), 1 + 300 + 30_000)
    })
  })

  test('that goes deeper than any commit is refused by name', async () => {
    const tree = new ForgedTree()
    let node = tree.files(1)
    for (let level = 0; level < 2500; level++) node = tree.repeated(node, 1)
    const root = tree.root(node)
    await withStored(tree, async (chunks) => {
      await assert.rejects(countNames(chunks, root, 1), isCorrupt)
    })
  })

  test('leaves no file behind where a restore is refused', async () => {
    const tree = new ForgedTree()
    const root = tree.root(tree.doubled(tree.files(1), 60))
    await using workspace = await CommittedWorkspace.open()
    for (const [index, { bytes }] of tree.nodes.entries())
      writeFileSync(workspace.path(`node ${index}`), bytes)
    await workspace.commitNew()
    await assert.rejects(workspace.restore(root), isCorrupt)
    assert.deepEqual(readdirSync(`${workspace.home}/restored-1`), [])
  })
})
