import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { DeltaRef } from '../format/entry.ts'
import type { DeltaMark } from './database-memory.ts'
import { planDelta } from './delta-plan.ts'

interface Log {
  readonly deltas: readonly DeltaRef[]
  readonly marks: readonly DeltaMark[]
}

const EMPTY: Log = { deltas: [], marks: [] }

/** The log after one more commit that changed `pages`. */
function extend({ deltas, marks }: Log, pages: readonly number[]): Log {
  const changed = Uint32Array.from(pages)
  const plan = planDelta(deltas, marks, changed)
  return {
    deltas: [...deltas.slice(0, plan.kept), { level: plan.level, content: [] }],
    marks: [...marks.slice(0, plan.kept), { pages: plan.pages, pageCountBefore: 0, checksumBefore: '' }],
  }
}

const pageSets = fc
  .uniqueArray(fc.integer({ min: 1, max: 300 }), { maxLength: 20 })
  .map((pages) => pages.sort((a, b) => a - b))

describe('a plan of deltas', () => {
  test('loses no changed page, keeps pages ascending and levels falling', () => {
    fc.assert(
      fc.property(fc.array(pageSets, { maxLength: 100 }), (commits) => {
        let log = EMPTY
        for (const [index, pages] of commits.entries()) {
          log = extend(log, pages)
          const newest = [...(log.marks.at(-1)?.pages ?? [])]
          for (const page of pages) assert.ok(newest.includes(page))
          assert.deepEqual(
            newest,
            newest.toSorted((a, b) => a - b),
          )
          assert.equal(new Set(newest).size, newest.length)
          const levels = log.deltas.map(({ level }) => level)
          assert.deepEqual(
            levels,
            levels.toSorted((a, b) => b - a),
          )
          const all = new Set(log.marks.flatMap((mark) => [...mark.pages]))
          assert.deepEqual(all, new Set(commits.slice(0, index + 1).flat()))
        }
      }),
      { numRuns: 40 },
    )
  })

  test('keeps the log logarithmic: at most seven deltas of a level', () => {
    let log = EMPTY
    for (let commit = 0; commit < 1000; commit++) {
      log = extend(log, [1 + (commit % 50)])
      for (let level = 0; level < 5; level++)
        assert.ok(log.deltas.filter((delta) => delta.level === level).length <= 7)
    }
    assert.ok(log.deltas.length <= 28)
    assert.ok((log.deltas[0]?.level ?? 0) >= 3)
  })

  test('does not merge what would rewrite too much', () => {
    let log = EMPTY
    const many = Array.from({ length: 1000 }, (_, index) => index + 1)
    for (let commit = 0; commit < 9; commit++)
      log = extend(
        log,
        many.map((page) => page + commit * 1000),
      )
    assert.equal(log.deltas.length, 9)
    assert.ok(log.deltas.every(({ level }) => level === 0))
  })
})
