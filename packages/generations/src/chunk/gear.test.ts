import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { gearTable } from './gear.ts'

test('the gear table never changes', () => {
  const table = gearTable()
  const bytes = Buffer.alloc(table.length * 4)
  table.forEach((entry, index) => {
    bytes.writeInt32BE(entry, index * 4)
  })
  assert.deepEqual([...table.subarray(0, 4)], [-341647721, -884714270, -708568743, -738140662])
  assert.equal(
    createHash('sha256').update(bytes).digest('hex'),
    '489f6fc72952463e395e599624c0e74c0f632f7ece106cd8d3837188cd34b157',
  )
})

test('the gear table is the digests of numbered labels, one after another', () => {
  const digests = Array.from({ length: 32 }, (_, block) =>
    createHash('sha256').update(`holdfast gear v1 ${block}`).digest(),
  )
  const bytes = Buffer.concat(digests)
  assert.deepEqual(
    [...gearTable()],
    Array.from({ length: 256 }, (_, index) => bytes.readInt32BE(index * 4)),
  )
})

test('no two byte values share an entry', () => {
  assert.equal(new Set(gearTable()).size, 256)
})
