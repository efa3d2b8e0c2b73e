import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type FoundRecord, type Lineage, orderRecords } from './rebuild-lineage.ts'

function record(id: string, fields: Partial<FoundRecord> = {}): FoundRecord {
  return {
    ...{
      format: 1,
      org: 'org-a',
      workspace: 'ws-1',
      epoch: 1,
      sequence: 1,
      parent: null,
      nonce: '',
      createdAt: 0,
    },
    ...{ cause: 'periodic', message: '', consistency: 'cut', root: '', files: 0, bytes: 0, databases: 0 },
    ...{
      notices: [],
      index: { baseObjects: [], deltaPacks: [] },
      packs: [],
      id,
      recordPack: `pack of ${id}`,
    },
    ...fields,
  }
}

/** A chain g1 … gN; each epoch lasts three generations. */
function chain(count: number): FoundRecord[] {
  return Array.from({ length: count }, (_, index) =>
    record(`g${index + 1}`, {
      sequence: index + 1,
      parent: index === 0 ? null : `g${index}`,
      epoch: 1 + Math.floor(index / 3),
    }),
  )
}

function order(
  records: readonly FoundRecord[],
  ask: { broken?: readonly string[]; elsewhere?: readonly string[] } = {},
): Lineage | undefined {
  return orderRecords('ws-1', records, {
    isIntact: ({ id }) => !(ask.broken ?? []).includes(id),
    isElsewhere: (id) => (ask.elsewhere ?? []).includes(id),
    lostId: (sequence) => `lost${sequence}`,
  })
}

function idsOf(lineage: Lineage | undefined): readonly string[] {
  return (lineage?.places ?? []).map((place) => (place.kind === 'found' ? place.record.id : `-${place.id}`))
}

test('a chain is ordered whatever the order of its records', () => {
  const records = chain(9)
  fc.assert(
    fc.property(fc.shuffledSubarray(records, { minLength: 9 }), (shuffled) => {
      assert.deepEqual(
        idsOf(order(shuffled)),
        records.map(({ id }) => id),
      )
    }),
  )
})

test('the head is of the highest epoch, and commits that lost a race stand besides', () => {
  const zombie = record('zombie', { sequence: 9, parent: 'g8', epoch: 2 })
  const lineage = order([...chain(8), zombie])
  assert.equal(idsOf(lineage).at(-1), 'g8')
  assert.deepEqual(lineage?.besides, ['zombie'])
})

test('a head that is not intact gives way to the one before it', () => {
  const lineage = order(chain(8), { broken: ['g8', 'g7'] })
  assert.equal(idsOf(lineage).at(-1), 'g6')
  assert.deepEqual(lineage?.besides, ['g7', 'g8'])
  assert.equal(order(chain(2), { broken: ['g1', 'g2'] }), undefined)
})

test('lost records keep their places, with their ids as far as a child names them', () => {
  const records = chain(9).filter(({ id }) => !['g1', 'g2', 'g5', 'g6', 'g7'].includes(id))
  assert.deepEqual(idsOf(order(records)), [
    ...['-lost1', '-g2', 'g3', 'g4', '-lost5', '-lost6', '-g7', 'g8', 'g9'],
  ])
})

test('a fork begins at a generation of another workspace', () => {
  const records = [
    record('f6', { sequence: 6, parent: 'source5' }),
    record('f7', { sequence: 7, parent: 'f6' }),
  ]
  const lineage = order(records, { elsewhere: ['source5'] })
  assert.equal(lineage?.forkedFrom, 'source5')
  assert.deepEqual(idsOf(lineage), ['f6', 'f7'])
})

test('sequences have no gap and ids no repetition, whatever is lost', () => {
  fc.assert(
    fc.property(fc.subarray(chain(30), { minLength: 1 }), fc.subarray(chain(30)), (records, broken) => {
      const lineage = order(records, { broken: broken.map(({ id }) => id) })
      const ids = idsOf(lineage)
      assert.equal(new Set(ids).size, ids.length)
      for (const [index, place] of (lineage?.places ?? []).entries())
        assert.equal(place.kind === 'found' ? place.record.sequence : place.sequence, index + 1)
    }),
  )
})
