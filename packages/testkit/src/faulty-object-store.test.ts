import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { MemoryObjectStore } from '@holdfast/generations/store/memory-object-store'
import type { FailureCode } from '@holdfast/protocol/failures'
import { FaultyObjectStore } from './faulty-object-store.ts'
import { objectStoreConformance } from './object-store-conformance.ts'
import {
  type FaultRates,
  type StoreFault,
  type StoreOperation,
  scriptedFaults,
  seededFaults,
} from './store-faults.ts'

const is = (code: FailureCode) => (error: unknown) => isFailure(error, code)
const bytes = Buffer.from('sixteen bytes!!!')

function faulty(
  operation: StoreOperation,
  fault: StoreFault,
): { inner: MemoryObjectStore; store: FaultyObjectStore } {
  const inner = new MemoryObjectStore(systemClock)
  return { inner, store: new FaultyObjectStore(inner, scriptedFaults([{ operation, n: 1, fault }])) }
}

objectStoreConformance(
  'a faulty store without faults',
  async () => new FaultyObjectStore(new MemoryObjectStore(systemClock), () => undefined),
)

test('a put that fails, or finds the store full, has no effect', async () => {
  const cases: readonly (readonly [StoreFault, FailureCode])[] = [
    [{ kind: 'fail', status: 409 }, 'store-unavailable'],
    [{ kind: 'full' }, 'store-full'],
  ]
  for (const [fault, code] of cases) {
    const { inner, store } = faulty('put', fault)
    await assert.rejects(store.put('k', [bytes]), is(code))
    assert.equal(await inner.head('k'), undefined)
    await store.put('k', [bytes])
    assert.deepEqual(store.calls, [
      { operation: 'put', key: 'k', fault },
      { operation: 'put', key: 'k', fault: undefined },
    ])
  }
})

test('a lost response comes after the effect', async () => {
  const put = faulty('put', { kind: 'lose-response' })
  await assert.rejects(put.store.put('k', [bytes]), is('store-unavailable'))
  assert.deepEqual(await put.inner.head('k'), { bytes: 16 })
  const gone = faulty('delete', { kind: 'lose-response' })
  await gone.store.put('k', [bytes])
  await assert.rejects(gone.store.delete('k'), is('store-unavailable'))
  assert.equal(await gone.inner.head('k'), undefined)
})

test('a delayed put appears after the read-back that its caller makes, with the bytes of the call', async () => {
  const { store } = faulty('put', { kind: 'apply-later', operations: 1 })
  const own = Buffer.from(bytes)
  await assert.rejects(store.put('k', [own]), is('store-unavailable'))
  own.fill(0)
  assert.equal(await store.head('k'), undefined)
  assert.deepEqual(await store.head('k'), { bytes: 16 })
  assert.ok(bytes.equals(await store.get('k')))
})

test('a delayed delete takes effect on request, and one that fails by then harms nobody', async () => {
  const { inner, store } = faulty('delete', { kind: 'apply-later', operations: 100 })
  await store.put('k', [bytes])
  await assert.rejects(store.delete('k'), is('store-unavailable'))
  await store.applyDelayed()
  assert.equal(await inner.head('k'), undefined)
  const late = faulty('put', { kind: 'apply-later', operations: 100 })
  await assert.rejects(late.store.put('k', [bytes]), is('store-unavailable'))
  await late.store.put('k', [Buffer.from('other')])
  await late.store.applyDelayed()
  assert.deepEqual(await late.inner.head('k'), { bytes: 5 })
})

test('a get may come shortened, changed by one bit, or slowly', async () => {
  const faults: readonly StoreFault[] = [
    { kind: 'truncate', bytes: 3 },
    { kind: 'flip-bit', bit: 9 },
    { kind: 'slow', ms: 20 },
  ]
  const found: Uint8Array[] = []
  for (const fault of faults) {
    const { store } = faulty('get', fault)
    await store.put('k', [bytes])
    const began = systemClock.monotonicMs()
    found.push(await store.get('k'))
    assert.ok(fault.kind !== 'slow' || systemClock.monotonicMs() - began >= 15)
    assert.ok(bytes.equals(await store.get('k')))
  }
  const [short, flipped, slow] = found.map((each) => Buffer.from(each))
  assert.ok(short?.equals(bytes.subarray(0, 3)))
  assert.deepEqual([flipped?.[0], flipped?.[1], flipped?.subarray(2)], [115, 105 ^ 2, bytes.subarray(2)])
  assert.ok(slow?.equals(bytes))
})

test('the same seed gives the same faults, and each kind comes at about its rate', () => {
  const rates: FaultRates = { fail: 0.1, 'lose-response': 0.2, 'apply-later': 0.05 }
  const draw = (seed: number) => {
    const plan = seededFaults(seed, rates)
    return Array.from({ length: 4_000 }, (_, index) => plan('put', 'k', index + 1))
  }
  assert.deepEqual(draw(1), draw(1))
  assert.notDeepEqual(draw(1), draw(2))
  for (const [kind, rate] of Object.entries(rates)) {
    const share = draw(1).filter((fault) => fault?.kind === kind).length / 4_000
    assert.ok(Math.abs(share - rate) < 0.03, `${kind}: ${share}`)
  }
  const reading = seededFaults(1, { 'lose-response': 0.5, full: 0.5 })
  for (let n = 1; n < 100; n += 1) assert.equal(reading('get', 'k', n), undefined)
})
