import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { COMPACTION_POLICY, compactionDueInMs, type PackUse, planCompaction } from './compaction-plan.ts'

const MIB = 1 << 20

function pack(name: string, use: Partial<PackUse>): PackUse {
  return {
    name,
    bytes: 16 * MIB,
    chunkBytes: 16 * MIB,
    liveBytes: 16 * MIB,
    isNeeded: true,
    isOwn: true,
    ...use,
  }
}

function chosen(packs: readonly PackUse[]): readonly string[] {
  return planCompaction(packs, COMPACTION_POLICY).sources.map(({ name }) => name)
}

test('packs of commits are merged once there are many, or some that are old', () => {
  const dueInMs = (count: number, oldestAgeMs: number) =>
    compactionDueInMs({ count, oldestAgeMs }, COMPACTION_POLICY)
  assert.equal(dueInMs(64, 0), 0)
  assert.equal(dueInMs(63, 0), 300_000)
  assert.equal(dueInMs(2, 299_000), 1000)
  assert.equal(dueInMs(2, 400_000), 0)
  assert.equal(dueInMs(1, 400_000), Number.POSITIVE_INFINITY)
})

const small = { bytes: 1000, chunkBytes: 1000, liveBytes: 500 }

test('small packs are merged together once there are enough of them', () => {
  const some = Array.from({ length: 15 }, (_, index) => pack(`s${index}`, { ...small, liveBytes: 1000 }))
  assert.deepEqual(chosen([...some, pack('large', {})]), [])
  assert.equal(chosen([...some, pack('s15', { ...small }), pack('large', {})]).length, 16)
})

test('a pack of which less than half is live is written anew', () => {
  assert.deepEqual(chosen([pack('half', { liveBytes: 7 * MIB }), pack('full', {})]), ['half'])
  assert.deepEqual(chosen([pack('most', { liveBytes: 15 * MIB }), pack('full', {})]), [])
})

test('packs are written anew, the deadest first, until few dead bytes are left over all', () => {
  const packs = Array.from({ length: 6 }, (_, index) => pack(`p${index}`, { liveBytes: (9 + index) * MIB }))
  const names = chosen(packs)
  assert.equal(names[0], 'p0')
  const left = packs.filter(({ name }) => !names.includes(name))
  const dead = left.reduce((sum, each) => sum + each.bytes - each.liveBytes, 0)
  const copied = packs
    .filter(({ name }) => names.includes(name))
    .reduce((sum, each) => sum + each.liveBytes, 0)
  const stored = left.reduce((sum, each) => sum + each.bytes, 0) + copied
  assert.ok(dead <= COMPACTION_POLICY.deadShareMax * stored)
})

test('what nobody needs and what is inherited is left alone', () => {
  const uses = [{ isNeeded: false }, { isOwn: false }]
  for (const use of uses)
    assert.deepEqual(
      chosen(Array.from({ length: 99 }, (_, index) => pack(`p${index}`, { ...small, ...use }))),
      [],
    )
})

test('a step copies no more than its bound, or one pack, and says when more is to be copied', () => {
  const use = fc.record({
    bytes: fc.integer({ min: 100, max: 64 * MIB }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    isNeeded: fc.boolean(),
    isOwn: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(use, { maxLength: 100 }), (uses) => {
      const packs = uses.map(({ share, ...rest }, index) =>
        pack(`p${index}`, { ...rest, chunkBytes: rest.bytes, liveBytes: Math.floor(rest.bytes * share) }),
      )
      const plan = planCompaction(packs, COMPACTION_POLICY)
      const live = plan.sources.reduce((sum, each) => sum + each.liveBytes, 0)
      assert.ok(plan.sources.length <= 1 || live <= COMPACTION_POLICY.stepBytesMax)
      assert.equal(new Set(plan.sources).size, plan.sources.length)
      const rest = packs.filter((each) => !plan.sources.includes(each))
      if (plan.sources.length === 0) assert.equal(plan.more, false)
      if (!plan.more) for (const each of rest.filter(isMostlyDead)) assert.ok(!each.isOwn || !each.isNeeded)
    }),
  )
})

function isMostlyDead(each: PackUse): boolean {
  return each.chunkBytes > 0 && each.liveBytes < each.chunkBytes / 2
}
