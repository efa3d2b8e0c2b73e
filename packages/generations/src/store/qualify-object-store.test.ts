import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { FaultyObjectStore } from '@holdfast/testkit/faulty-object-store'
import { seededRandomness } from '@holdfast/testkit/seeded-numbers'
import { type StoreFault, type StoreOperation, scriptedFaults } from '@holdfast/testkit/store-faults'
import { MemoryObjectStore } from './memory-object-store.ts'
import type { ByteRange, ObjectStore } from './object-store.ts'
import { qualifyObjectStore } from './qualify-object-store.ts'

/** A memory store with one behaviour replaced. */
function lying(lie: (truth: ObjectStore) => Partial<ObjectStore>): ObjectStore {
  const truth = new MemoryObjectStore(systemClock)
  const honest: ObjectStore = {
    address: truth.address,
    put: (key, parts) => truth.put(key, parts),
    get: (key, range) => truth.get(key, range),
    head: (key) => truth.head(key),
    list: (prefix) => truth.list(prefix),
    delete: (key) => truth.delete(key),
    [Symbol.asyncDispose]: () => truth[Symbol.asyncDispose](),
  }
  return { ...honest, ...lie(truth) }
}

async function failedStep(store: ObjectStore): Promise<unknown> {
  const outcome = await qualifyObjectStore(store, seededRandomness(1)).catch((error: unknown) => error)
  assert.ok(isFailure(outcome, 'store-unsuitable'), String(outcome))
  return outcome.details.step
}

const put = async () => {}

test('a store that loses, shortens or changes bytes fails at get', async () => {
  assert.equal(await failedStep(lying(() => ({ put }))), 'get')
  const damage: readonly StoreFault[] = [
    { kind: 'truncate', bytes: 8_191 },
    { kind: 'flip-bit', bit: 77 },
  ]
  for (const fault of damage) {
    const store = new FaultyObjectStore(
      new MemoryObjectStore(systemClock),
      scriptedFaults([{ operation: 'get', n: 1, fault }]),
    )
    assert.equal(await failedStep(store), 'get')
    assert.equal(store.calls.at(-1)?.operation, 'delete')
  }
})

test('a store that ignores a range, or shortens it at the end, fails at that step', async () => {
  assert.equal(await failedStep(lying((truth) => ({ get: (key) => truth.get(key) }))), 'get-range')
  const shortening = lying((truth) => ({
    get: async (key: string, range?: ByteRange) => {
      const bytes = await truth.get(key)
      return range ? bytes.subarray(range.offset, range.offset + range.length) : bytes
    },
  }))
  assert.equal(await failedStep(shortening), 'get-past-end')
})

test('a store with wrong sizes, no listing, or deletions that do nothing fails at that step', async () => {
  assert.equal(await failedStep(lying(() => ({ head: async () => ({ bytes: 1 }) }))), 'head')
  assert.equal(await failedStep(lying(() => ({ list: async function* () {} }))), 'list')
  assert.equal(await failedStep(lying(() => ({ delete: async () => {} }))), 'delete')
})

test('a store that reports success for other bytes and keeps the old ones fails at put-other', async () => {
  const silent = lying((truth) => ({
    put: async (key: string, parts: readonly Uint8Array[]) => {
      if (!(await truth.head(key))) await truth.put(key, parts)
    },
  }))
  assert.equal(await failedStep(silent), 'put-other')
})

test('a store that refuses its own bytes fails at put-again', async () => {
  const forgetful = lying((truth) => ({
    put: async (key: string, parts: readonly Uint8Array[]) => {
      if (await truth.head(key)) await truth.put(key, [Buffer.from('never these')])
      await truth.put(key, parts)
    },
  }))
  assert.equal(await failedStep(forgetful), 'put-again')
})

test('a store that is full, away or closed keeps its own code', async () => {
  const cases: readonly (readonly [StoreOperation, StoreFault, string])[] = [
    ['put', { kind: 'full' }, 'store-full'],
    ['put', { kind: 'lose-response' }, 'store-unavailable'],
    ['list', { kind: 'fail' }, 'store-unavailable'],
    ['delete', { kind: 'fail' }, 'store-unavailable'],
  ]
  for (const [operation, fault, code] of cases) {
    const store = new FaultyObjectStore(
      new MemoryObjectStore(systemClock),
      scriptedFaults([{ operation, n: 1, fault }]),
    )
    const outcome = await qualifyObjectStore(store, seededRandomness(1)).catch((error: unknown) => error)
    assert.ok(isFailure(outcome) && outcome.code === code, String(outcome))
    for await (const object of store.list('')) assert.fail(`${object.key} remains`)
  }
})
