import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decideRetention, type RetentionRow } from './retention.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const START = 1_700_000_000_000
const nothing: ReadonlySet<string> = new Set()

function rowsEvery(ms: number, count: number, changes: Partial<RetentionRow> = {}): RetentionRow[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `g${index + 1}`,
    sequence: index + 1,
    cause: 'periodic',
    createdAt: START + index * ms,
    verifiedAt: null,
    retained: true,
    ...changes,
  }))
}

function kept(rows: readonly RetentionRow[], wallMs: number, pinned = nothing): RetentionRow[] {
  const dropped = new Set(decideRetention(rows, { wallMs, pinned }))
  return rows.filter((row) => !dropped.has(row.id))
}

test('everything of the last ten minutes is kept', () => {
  const rows = rowsEvery(1000, 600)
  assert.equal(kept(rows, START + 600_000).length, 600)
})

test('older generations are thinned to one a minute, then one for ten minutes, then one a day', () => {
  const hour = rowsEvery(1000, 3600)
  const afterHour = kept(hour, START + HOUR).filter((row) => row.createdAt < START + HOUR - 10 * MINUTE)
  assert.ok(afterHour.length >= 50 && afterHour.length <= 52)
  const day = rowsEvery(MINUTE, 24 * 60)
  const afterDay = kept(day, START + DAY).filter((row) => row.createdAt < START + DAY - HOUR)
  assert.ok(afterDay.length >= 23 * 6 && afterDay.length <= 23 * 6 + 2)
  const weeks = rowsEvery(HOUR, 24 * 20)
  const afterWeeks = kept(weeks, START + 20 * DAY).filter((row) => row.createdAt < START + 19 * DAY)
  assert.ok(afterWeeks.length >= 19 && afterWeeks.length <= 21)
})

test('checkpoints, stops, forks, imports, fork points, the head and the last verified one are kept', () => {
  for (const cause of ['checkpoint', 'stop', 'fork', 'rollback', 'termination', 'import'] as const)
    assert.equal(kept(rowsEvery(1, 50, { cause }), START + 99 * DAY).length, 50)
  const rows = rowsEvery(1, 50).map((row) =>
    row.id === 'g20' || row.id === 'g30' ? { ...row, verifiedAt: START } : row,
  )
  const ids = kept(rows, START + 99 * DAY, new Set(['g7'])).map((row) => row.id)
  assert.deepEqual(ids, ['g1', 'g7', 'g30', 'g50'])
})

const cause = fc.constantFrom('periodic', 'sync', 'checkpoint', 'stop', 'restart')
const history = fc
  .array(fc.record({ gap: fc.nat(3 * HOUR), cause, verified: fc.boolean(), retained: fc.boolean() }), {
    maxLength: 200,
  })
  .map((items) => {
    let createdAt = START
    return items.map(({ gap, verified, ...item }, index): RetentionRow => {
      createdAt += gap
      return { ...item, id: `g${index + 1}`, sequence: index + 1, createdAt, verifiedAt: verified ? 1 : null }
    })
  })

test('what is dropped was retained, never the head nor the last verified one, whatever the history', () => {
  fc.assert(
    fc.property(history, fc.nat(40 * DAY), (rows, later) => {
      const retained = rows.filter((row) => row.retained)
      const dropped = new Set(decideRetention(rows, { wallMs: START + later, pinned: nothing }))
      for (const id of dropped) assert.ok(retained.some((row) => row.id === id))
      const head = retained.at(-1)
      const verified = retained.findLast((row) => row.verifiedAt !== null)
      assert.ok(head === undefined || !dropped.has(head.id))
      assert.ok(verified === undefined || !dropped.has(verified.id))
    }),
  )
})

test('thinning again at the same instant drops nothing more', () => {
  fc.assert(
    fc.property(history, fc.nat(40 * DAY), (rows, later) => {
      const wallMs = START + later
      assert.deepEqual(decideRetention(kept(rows, wallMs), { wallMs, pinned: nothing }), [])
    }),
  )
})

test('of a history of thinned generations none is further from a kept one than its rule says', () => {
  const rows = rowsEvery(20_000, 3000)
  const wallMs = START + 3000 * 20_000
  const left = kept(rows, wallMs)
  for (const row of rows) {
    const age = wallMs - row.createdAt
    const reach = age < 10 * MINUTE ? 0 : age < HOUR ? MINUTE : age < DAY ? 10 * MINUTE : DAY
    assert.ok(left.some((other) => Math.abs(other.createdAt - row.createdAt) <= reach))
  }
})
