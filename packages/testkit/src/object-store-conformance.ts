import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import type { ObjectStore } from '@holdfast/generations/store/object-store'
import { qualifyObjectStore } from '@holdfast/generations/store/qualify-object-store'
import { FAILURES, type FailureCode } from '@holdfast/protocol/failures'
import fc from 'fast-check'
import { seededRandomness } from './seeded-numbers.ts'

/** Opens a new, empty store; what it needs beside the store is released by `t.after`. */
export type OpenStore = (t: TestContext) => Promise<ObjectStore>

/** Registers the promises of the ObjectStore port as tests of one adapter. */
export function objectStoreConformance(name: string, open: OpenStore): void {
  describe(`${name} keeps the promises of an object store:`, () => {
    readingPromises(open)
    creationPromises(open)
    listingPromises(open)
    deletionPromises(open)
    modelPromise(open)
  })
}

const pattern = (bytes: number, seed = 1) => Buffer.from(seededRandomness(seed).bytes(bytes))
const rejectsWith = async (call: Promise<unknown>, code: FailureCode) => {
  assert.ok(code in FAILURES)
  await assert.rejects(call, (error) => isFailure(error, code), `expected ${code}`)
}

function readingPromises(open: OpenStore): void {
  test('an object is read back whole, and in exactly the range asked for', async (t) => {
    await using store = await open(t)
    const bytes = pattern(10_000)
    await store.put('org/ws/1/pack', [bytes.subarray(0, 1), Buffer.alloc(0), bytes.subarray(1)])
    assert.deepEqual(Buffer.from(await store.get('org/ws/1/pack')), bytes)
    for (const [offset, length] of [
      [0, 10_000],
      [0, 1],
      [9_999, 1],
      [4_095, 4_098],
      [0, 0],
      [10_000, 0],
    ] as const) {
      const part = await store.get('org/ws/1/pack', { offset, length })
      assert.deepEqual(Buffer.from(part), bytes.subarray(offset, offset + length), `${offset}+${length}`)
    }
  })

  test('an object of 3 MiB in two thousand parts and an empty one are stored like any other', async (t) => {
    await using store = await open(t)
    const bytes = pattern(3 * 1024 * 1024)
    const parts = Array.from({ length: 2_048 }, (_, index) =>
      bytes.subarray(index * 1_536, (index + 1) * 1_536),
    )
    await store.put('large', parts)
    assert.ok(bytes.equals(await store.get('large')))
    assert.ok(bytes.subarray(1, -1).equals(await store.get('large', { offset: 1, length: bytes.length - 2 })))
    await store.put('empty', [])
    assert.equal((await store.get('empty')).length, 0)
    assert.deepEqual(await store.head('empty'), { bytes: 0 })
  })

  test('a range that reaches past the end is object-corrupt, never shorter bytes', async (t) => {
    await using store = await open(t)
    await store.put('k', [pattern(100)])
    for (const [offset, length] of [
      [0, 101],
      [99, 2],
      [100, 1],
      [5_000, 1],
      [101, 0],
      [0, 2 ** 40],
    ] as const) {
      await rejectsWith(store.get('k', { offset, length }), 'object-corrupt')
    }
  })

  test('an object that was never stored is object-missing, and has no size', async (t) => {
    await using store = await open(t)
    await store.put('a/b/c', [pattern(1)])
    for (const key of ['nothing', 'a', 'a/b', 'a/b/d', 'a/b/c/d']) {
      await rejectsWith(store.get(key), 'object-missing')
      await rejectsWith(store.get(key, { offset: 0, length: 1 }), 'object-missing')
      assert.equal(await store.head(key), undefined, key)
    }
  })

  test('a key, prefix or range of a wrong shape is refused before anything happens', async (t) => {
    await using store = await open(t)
    for (const key of ['', '../x', 'a//b', '/a', 'a/', 'ä', 'a b', 'k'.repeat(600)]) {
      await rejectsWith(store.put(key, []), 'invalid-argument')
      await rejectsWith(store.get(key), 'invalid-argument')
      await rejectsWith(store.head(key), 'invalid-argument')
      await rejectsWith(store.delete(key), 'invalid-argument')
    }
    await rejectsWith(keysOf(store, '../'), 'invalid-argument')
    await rejectsWith(store.get('k', { offset: -1, length: 1 }), 'invalid-argument')
    assert.deepEqual(await keysOf(store, ''), [])
  })
}

function creationPromises(open: OpenStore): void {
  test('putting the same bytes again succeeds, as after a lost response', async (t) => {
    await using store = await open(t)
    await store.put('k', [pattern(500)])
    await store.put('k', [pattern(500).subarray(0, 200), pattern(500).subarray(200)])
    assert.ok(pattern(500).equals(await store.get('k')))
    assert.deepEqual(await keysOf(store, ''), ['k'])
  })

  test('putting other bytes under a key rejects with already-exists and changes nothing', async (t) => {
    await using store = await open(t)
    await store.put('k', [pattern(500)])
    for (const other of [pattern(500, 2), pattern(499), pattern(501), Buffer.alloc(0)]) {
      await rejectsWith(store.put('k', [other]), 'already-exists')
    }
    assert.ok(pattern(500).equals(await store.get('k')))
  })

  test('of many writers of one key at once those with the stored bytes succeed and the others are told', async (t) => {
    await using store = await open(t)
    const writers = [1, 2, 1, 2, 1, 2, 3, 3]
    const outcomes = await Promise.allSettled(writers.map((seed) => store.put('k', [pattern(2_000, seed)])))
    const stored = Buffer.from(await store.get('k'))
    for (const [index, outcome] of outcomes.entries()) {
      if (stored.equals(pattern(2_000, writers[index]))) assert.equal(outcome.status, 'fulfilled')
      else assert.ok(outcome.status === 'rejected' && isFailure(outcome.reason, 'already-exists'))
    }
  })

  test('what the caller does to its buffers afterwards changes no object, nor does what it does to a result', async (t) => {
    await using store = await open(t)
    const bytes = pattern(64)
    await store.put('k', [bytes])
    bytes.fill(0)
    const result = await store.get('k')
    result.fill(0)
    assert.ok(pattern(64).equals(await store.get('k')))
  })

  test('the store qualifies, and nothing of the probe remains', async (t) => {
    await using store = await open(t)
    assert.deepEqual(await qualifyObjectStore(store, seededRandomness(7)), { refusesOverwrite: true })
    assert.deepEqual(await keysOf(store, ''), [])
  })
}

function listingPromises(open: OpenStore): void {
  test('a listing has every object below the prefix once, with its size and a time', async (t) => {
    await using store = await open(t)
    const keys = ['a', 'b/1', 'b/2', 'b/2x/1', 'b/20', 'b.c', 'bb/1', 'c/d/e/f', 'c/d/e/g']
    for (const [bytes, key] of keys.entries()) await store.put(key, [pattern(bytes)])
    for (const prefix of [
      '',
      'a',
      'b',
      'b/',
      'b/2',
      'b/2x/',
      'c/d/',
      'c/d/e/f',
      'c/d/e/f/',
      'nothing/',
      'z',
    ]) {
      const expected = keys.filter((key) => key.startsWith(prefix))
      assert.deepEqual(await keysOf(store, prefix), expected.sort(), `prefix ${prefix}`)
    }
    for await (const object of store.list('')) {
      assert.equal(object.bytes, keys.indexOf(object.key))
      assert.ok(object.modifiedAt > 1.6e12 && object.modifiedAt < 1e13)
    }
  })

  test('a listing that is left early, and one during deletions, both end', async (t) => {
    await using store = await open(t)
    for (let index = 0; index < 10; index += 1) await store.put(`p/${index}`, [pattern(1)])
    for await (const object of store.list('p/')) {
      assert.ok(object.key)
      break
    }
    for await (const object of store.list('p/')) await store.delete(object.key)
    assert.deepEqual(await keysOf(store, ''), [])
  })
}

function deletionPromises(open: OpenStore): void {
  test('a deleted object is gone, and deleting it again is no failure', async (t) => {
    await using store = await open(t)
    await store.put('a/b', [pattern(10)])
    await store.put('a/c', [pattern(10)])
    await store.delete('a/b')
    await store.delete('a/b')
    await store.delete('a')
    await store.delete('never/was')
    await rejectsWith(store.get('a/b'), 'object-missing')
    assert.deepEqual(await keysOf(store, ''), ['a/c'])
  })
}

/** Any sequence of calls agrees with a Map. */
function modelPromise(open: OpenStore): void {
  const key = fc.constantFrom('a', 'b/1', 'b/2', 'c/d/1', 'c.d')
  const step = fc.record({
    verb: fc.constantFrom('put', 'get', 'range', 'head', 'delete', 'list'),
    key,
    size: fc.nat(40),
    offset: fc.nat(40),
  })
  test('any sequence of calls agrees with a map from keys to bytes', async (t) => {
    await using store = await open(t)
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        run += 1
        const model = new Map<string, Buffer>()
        for (const each of steps) await agree(store, model, { ...each, under: `r${run}/` })
      }),
      { numRuns: process.env.HOLDFAST_LONG ? 1_000 : 25, seed: 20_260_801 },
    )
  })
}

async function agree(
  store: ObjectStore,
  model: Map<string, Buffer>,
  step: { verb: string; key: string; size: number; offset: number; under: string },
): Promise<void> {
  const key = step.under + step.key
  const present = model.get(key)
  const bytes = pattern(step.size, step.size)
  if (step.verb === 'put') {
    if (present && !present.equals(bytes)) return rejectsWith(store.put(key, [bytes]), 'already-exists')
    await store.put(key, [bytes])
    model.set(key, bytes)
  } else if (step.verb === 'delete') {
    await store.delete(key)
    model.delete(key)
  } else if (step.verb === 'list') {
    const keys = [...model.keys()].sort()
    assert.deepEqual(await keysOf(store, step.under), keys)
  } else if (!present) {
    await rejectsWith(store.get(key), 'object-missing')
    assert.equal(await store.head(key), undefined)
  } else if (step.verb === 'head') {
    assert.deepEqual(await store.head(key), { bytes: present.length })
  } else {
    const range = step.verb === 'range' ? { offset: step.offset, length: step.size } : undefined
    if (range && range.offset + range.length > present.length) {
      return rejectsWith(store.get(key, range), 'object-corrupt')
    }
    const end = range ? range.offset + range.length : present.length
    assert.ok(present.subarray(range?.offset ?? 0, end).equals(await store.get(key, range)))
  }
}

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const object of store.list(prefix)) keys.push(object.key)
  return keys.sort()
}
