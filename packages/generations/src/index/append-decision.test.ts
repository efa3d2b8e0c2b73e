import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commitOn, packNamed } from '@holdfast/testkit/generation-index-fixture'
import fc from 'fast-check'
import { type AppendState, decideAppend, neededPacks } from './append-decision.ts'
import type { StoredPack } from './write-decision.ts'

const LEASE = { org: 'org', workspace: 'ws', epoch: 3 }
const TIP = { id: 'tip', sequence: 4 }

function stored(label: string, state: StoredPack['state']): StoredPack {
  return { ...packNamed(LEASE, label), org: 'org', state, condemnedAt: null }
}

const USED = stored('used', 'live')
const COMMIT = commitOn(LEASE, TIP, { usedPacks: [USED.name], gcSeen: 2 })

const GOOD: AppendState = {
  workspace: { id: 'ws', org: 'org', epoch: 3, head: 'tip', forkedFrom: null },
  committedIn: undefined,
  tip: TIP,
  boundary: 2,
  packs: new Map([[USED.name, USED]]),
}

/** What can be wrong, in the order in which it is told, with the code that tells it. */
const WRONGS: readonly (readonly [code: string, change: Partial<AppendState>])[] = [
  ['lease-lost', { workspace: { ...GOOD.workspace, epoch: 4 } }],
  ['invalid-argument', { committedIn: 'another-ws' }],
  ['head-moved', { tip: { id: 'newer', sequence: 5 } }],
  ['gc-expired', { boundary: 3 }],
  ['gc-expired', { packs: new Map([[USED.name, { ...USED, state: 'condemned' }]]) }],
]

function codeOf(state: AppendState): string {
  const decision = decideAppend(LEASE, COMMIT, state)
  return decision.step === 'refuse' ? decision.failure.code : decision.step
}

test('of all that is wrong with an append, the first in order is told', () => {
  fc.assert(
    fc.property(fc.subarray([...WRONGS]), (wrongs) => {
      let state = GOOD
      for (const [, change] of wrongs) state = { ...state, ...change }
      assert.equal(codeOf(state), wrongs[0]?.[0] ?? 'apply')
    }),
  )
})

test('a commit in the history of its workspace is decided, whatever else is wrong', () => {
  for (const [, change] of WRONGS) {
    const state = { ...GOOD, ...change, committedIn: 'ws' }
    assert.deepEqual(decideAppend(LEASE, COMMIT, state), { step: 'already-applied' })
  }
})

test('an append adds the new packs that have no row yet', () => {
  const [fresh] = COMMIT.newPacks
  assert.ok(fresh)
  assert.deepEqual(decideAppend(LEASE, COMMIT, GOOD), { step: 'apply', addPacks: [fresh] })
  const row: StoredPack = { ...fresh, org: 'org', state: 'live', condemnedAt: null }
  const again = { ...GOOD, packs: new Map([...GOOD.packs, [fresh.name, row]]) }
  assert.deepEqual(decideAppend(LEASE, COMMIT, again), { step: 'apply', addPacks: [] })
})

test('a commit needs the packs it uses and the one of its record, each once, and none that it brings', () => {
  const [fresh] = COMMIT.newPacks
  assert.ok(fresh)
  const usedPacks = ['a', 'b', 'a', fresh.name]
  assert.deepEqual(neededPacks({ ...COMMIT, usedPacks }), ['a', 'b'])
  assert.deepEqual(neededPacks({ ...COMMIT, usedPacks, recordPack: 'r' }), ['a', 'b', 'r'])
})
