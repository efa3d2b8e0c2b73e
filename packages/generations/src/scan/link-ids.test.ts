import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LinkIds } from './link-ids.ts'

const inode = fc.integer({ min: 1, max: 40 })

test('a kept number stays, and no two inodes ever share one', () => {
  const kept = fc.uniqueArray(fc.tuple(inode, inode), { selector: ([, id]) => id, maxLength: 20 })
  fc.assert(
    fc.property(kept, (pairs) => {
      const map = new Map(pairs)
      const ids = new LinkIds(map)
      const numbers = Array.from({ length: 40 }, (_, index) => ids.of(index + 1))
      assert.equal(new Set(numbers).size, numbers.length)
      for (const [from, to] of map) assert.equal(ids.of(from), to)
    }),
    { numRuns: 500, seed: 3 },
  )
})

test('an inode is its own number where nothing was kept', () => {
  assert.equal(new LinkIds(new Map()).of(12_345), 12_345)
})
