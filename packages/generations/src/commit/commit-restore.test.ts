import { describe, test } from 'node:test'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import { changeRandomTree, makeRandomTree } from '@holdfast/testkit/random-tree'

describe('a committed tree', () => {
  for (const seed of [1, 2]) {
    test(`is restored as it was, change after change (seed ${seed})`, async () => {
      await using workspace = await CommittedWorkspace.open()
      const { holdfs, source } = workspace
      await makeRandomTree(holdfs, source, { seed, names: 60 })
      await workspace.assertRestores((await workspace.commitNew()).root)
      for (let round = 1; round <= 3; round++) {
        await changeRandomTree(holdfs, source, { seed: seed * 100 + round, names: 0, changes: 15 })
        const { root } = await workspace.commitNew()
        await workspace.assertRestores(root)
      }
    })
  }
})
