import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import { objectStoreConformance } from '@holdfast/testkit/object-store-conformance'
import { type S3Double, type S3DoubleOptions, type S3Fault, startS3Double } from '@holdfast/testkit/s3-double'
import { seededRandomness } from '@holdfast/testkit/seeded-numbers'
import type { ObjectStore } from './object-store.ts'
import { qualifyObjectStore } from './qualify-object-store.ts'
import { parseS3Address } from './s3-address.ts'
import { openS3ObjectStore } from './s3-object-store.ts'

const policy = { attemptsMax: 4, attemptMs: 2_000, pauseMs: 2, pauseMsMax: 5 }
const is = (code: FailureCode) => (error: unknown) => isFailure(error, code)
const bytes = Buffer.from(seededRandomness(3).bytes(5_000))

interface Ground {
  readonly double: S3Double
  readonly store: ObjectStore
}

async function start(
  t: TestContext,
  options: S3DoubleOptions & { attemptMs?: number } = {},
): Promise<Ground> {
  const double = await startS3Double(options)
  t.after(() => double[Symbol.asyncDispose]())
  const store = await openS3ObjectStore(parseS3Address(double.addressOf('some/prefix')), {
    clock: systemClock,
    randomness: seededRandomness(11),
    credentials: double.credentials,
    policy: { ...policy, attemptMs: options.attemptMs ?? policy.attemptMs },
  })
  t.after(() => store[Symbol.asyncDispose]())
  return { double, store }
}

/** Each fault in turn, then none. */
function inTurn(double: S3Double, kind: string, faults: readonly S3Fault[]): void {
  const left = [...faults]
  double.plan = (requested) => (requested === kind ? left.shift() : undefined)
}

const always = (kind: string, fault: S3Fault) => (requested: string) =>
  requested === kind ? fault : undefined
const slowDown: S3Fault = { kind: 'answer', status: 503, code: 'SlowDown' }
const internal: S3Fault = { kind: 'answer', status: 500, code: 'InternalError' }
const conflict: S3Fault = { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' }

objectStoreConformance('the S3 store', async (t) => (await start(t)).store)

test('a put is one request, a get one, and a listing one a page', async (t) => {
  const { double, store } = await start(t)
  for (let index = 0; index < 7; index += 1) await store.put(`k/${index}`, [bytes])
  await store.get('k/0')
  await store.get('k/0', { offset: 1, length: 10 })
  for await (const object of store.list('k/')) assert.equal(object.bytes, bytes.length)
  assert.deepEqual(double.counts, { put: 7, get: 2, head: 0, delete: 0, list: 3, other: 0 })
  assert.ok([...double.bucket.objects.keys()].every((key) => key.startsWith('some/prefix/k/')))
})

test('a put whose answer was lost succeeds after reading its own bytes back', async (t) => {
  for (const fault of [{ kind: 'cut', when: 'after' }, internal] as const) {
    const { double, store } = await start(t)
    inTurn(double, 'put', [fault])
    await store.put('k', [bytes])
    assert.ok(bytes.equals(await store.get('k')))
    assert.equal(double.counts.put, fault.kind === 'cut' ? 1 : 2)
  }
})

test('a put that was cut off, slowed down or contended is sent again', async (t) => {
  const { double, store } = await start(t)
  const faults: readonly S3Fault[][] = [
    [{ kind: 'cut', when: 'before' }],
    [slowDown, slowDown, slowDown],
    [conflict, internal, { kind: 'cut', when: 'before' }],
  ]
  for (const [index, turn] of faults.entries()) {
    inTurn(double, 'put', turn)
    const before = double.counts.put
    await store.put(`k/${index}`, [bytes])
    assert.equal(double.counts.put - before, turn.length + 1)
    assert.ok(bytes.equals(await store.get(`k/${index}`)))
  }
})

test('a put whose connection breaks in the middle of its bytes is sent again, whole', async (t) => {
  const { double, store } = await start(t)
  const large = Buffer.alloc(2 << 20, bytes)
  inTurn(double, 'put', [
    { kind: 'cut-upload', bytes: 0 },
    { kind: 'cut-upload', bytes: 1 << 20 },
  ])
  await store.put('k', [large])
  assert.equal(double.counts.put, 3)
  assert.ok(large.equals(await store.get('k')))
})

test('a first byte that comes late, yet in time, is waited for and not asked for again', async (t) => {
  const { double, store } = await start(t)
  await store.put('k', [bytes])
  double.plan = () => ({ kind: 'slow', ms: 300 })
  assert.ok(bytes.equals(await store.get('k')))
  await store.put('late', [bytes])
  assert.equal(double.counts.get, 1)
  assert.equal(double.counts.put, 2)
})

test('a machine whose clock is hours off still reaches its store, and a store that insists is clock-skew', async (t) => {
  for (const clockAheadMs of [-3 * 3_600_000, 3 * 3_600_000]) {
    const { double, store } = await start(t, { clockAheadMs })
    await store.put('k', [bytes])
    assert.ok(bytes.equals(await store.get('k')))
    assert.deepEqual([double.counts.put, double.counts.get], [2, 1])
    double.plan = () => ({ kind: 'answer', status: 403, code: 'RequestTimeTooSkewed' })
    await assert.rejects(store.put('other', [bytes]), is('clock-skew'))
    await assert.rejects(store.get('k'), is('clock-skew'))
  }
})

test('a service that cannot be reached is store-unavailable, and the message says how', async () => {
  const deps = { clock: systemClock, randomness: seededRandomness(1), policy }
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
  for (const [endpoint, errno] of [
    ['http://127.0.0.1:1', 'ECONNREFUSED'],
    ['http://no-such-host.invalid', 'ENOTFOUND|EAI_AGAIN'],
  ]) {
    const address = parseS3Address(`s3://bucket?endpoint=${endpoint}`)
    await using store = await openS3ObjectStore(address, { ...deps, credentials })
    await assert.rejects(store.put('k', [bytes]), (error) => {
      assert.ok(isFailure(error, 'store-unavailable'))
      assert.match(error.message, new RegExp(`no answer \\((${errno})\\)`))
      return true
    })
  }
})

test('a put that is applied after its read-back still ends with its own bytes and success', async (t) => {
  const { double, store } = await start(t)
  inTurn(double, 'put', [{ kind: 'apply-later', ms: 3 }, conflict])
  await store.put('k', [bytes])
  await systemClock.sleep(20)
  assert.ok(bytes.equals(await store.get('k')))
})

test('a put that finds other bytes under its key rejects with already-exists, also after a lost answer', async (t) => {
  const { double, store } = await start(t)
  await store.put('k', [bytes])
  inTurn(double, 'put', [{ kind: 'cut', when: 'before' }])
  await assert.rejects(store.put('k', [bytes.subarray(1)]), is('already-exists'))
  await assert.rejects(store.put('k', [Buffer.alloc(bytes.length)]), is('already-exists'))
  assert.ok(bytes.equals(await store.get('k')))
})

test('a service that never recovers is store-unavailable after the fourth attempt', async (t) => {
  const { double, store } = await start(t)
  await store.put('k', [bytes])
  for (const fault of [slowDown, internal, { kind: 'cut', when: 'before' }] as const) {
    const before = { ...double.counts }
    double.plan = () => fault
    await assert.rejects(store.put('other', [bytes]), is('store-unavailable'))
    await assert.rejects(store.get('k'), is('store-unavailable'))
    await assert.rejects(store.delete('k'), is('store-unavailable'))
    double.plan = () => undefined
    assert.equal(double.counts.put - before.put, 4)
    assert.equal(double.counts.get - before.get, 4)
    assert.equal(double.counts.delete - before.delete, 4)
  }
})

test('a get cut in the middle is received again, and never resolves with fewer bytes', async (t) => {
  const { double, store } = await start(t)
  await store.put('k', [bytes])
  inTurn(double, 'get', [
    { kind: 'truncate', bytes: 0 },
    { kind: 'truncate', bytes: 4_999 },
  ])
  assert.ok(bytes.equals(await store.get('k')))
  assert.equal(double.counts.get, 3)
  double.plan = always('get', { kind: 'truncate', bytes: 100 })
  await assert.rejects(store.get('k'), is('store-unavailable'))
  await assert.rejects(store.get('k', { offset: 10, length: 1_000 }), is('store-unavailable'))
})

test('a service that answers no request in time is store-unavailable, and its connections are given up', async (t) => {
  const { double, store } = await start(t, { attemptMs: 60 })
  await store.put('k', [bytes])
  double.plan = () => ({ kind: 'slow', ms: 400 })
  const began = systemClock.monotonicMs()
  await assert.rejects(store.get('k'), is('store-unavailable'))
  assert.ok(systemClock.monotonicMs() - began < 1_000)
  inTurn(double, 'put', [{ kind: 'slow', ms: 400 }])
  await store.put('late', [bytes])
  assert.ok(bytes.equals(await store.get('late')))
})

test('what the service refuses is named, and not asked again', async (t) => {
  const { double, store } = await start(t)
  await store.put('k', [bytes])
  const cases: readonly (readonly [number, string, FailureCode])[] = [
    [403, 'AccessDenied', 'store-denied'],
    [401, 'Unauthorized', 'store-denied'],
    [400, 'ExpiredToken', 'store-denied'],
    [404, 'NoSuchBucket', 'store-missing'],
    [301, 'PermanentRedirect', 'store-missing'],
    [400, 'InvalidRequest', 'store-unsuitable'],
    [501, 'NotImplemented', 'store-unsuitable'],
    [507, 'InsufficientStorage', 'store-full'],
    [403, 'QuotaExceeded', 'store-full'],
  ]
  for (const [status, code, expected] of cases) {
    const before = { ...double.counts }
    double.plan = (kind) => (kind === 'put' || kind === 'get' ? { kind: 'answer', status, code } : undefined)
    await assert.rejects(store.put('other', [bytes]), is(expected), code)
    await assert.rejects(store.get('k'), is(expected), code)
    assert.equal(double.counts.put - before.put, 1, code)
    assert.equal(double.counts.get - before.get, 1, code)
  }
})

test('a wrong secret is store-denied and a wrong bucket store-missing, for every request', async (t) => {
  const double = await startS3Double()
  t.after(() => double[Symbol.asyncDispose]())
  const address = parseS3Address(double.addressOf('p'))
  const deps = { clock: systemClock, randomness: seededRandomness(1), policy }
  const wrong = { ...double.credentials, secretAccessKey: 'guessed' }
  await using locked = await openS3ObjectStore(address, { ...deps, credentials: wrong })
  await using lost = await openS3ObjectStore(
    { ...address, bucket: 'elsewhere' },
    { ...deps, credentials: double.credentials },
  )
  for (const [store, code] of [[locked, 'store-denied'] as const, [lost, 'store-missing'] as const]) {
    await assert.rejects(store.put('k', [bytes]), is(code))
    await assert.rejects(store.get('k'), is(code))
    await assert.rejects(store.delete('k'), is(code))
    await assert.rejects(store.list('')[Symbol.asyncIterator]().next(), is(code))
  }
  await assert.rejects(locked.head('k'), is('store-denied'))
})

test('a failure shows the key and the status, and never a secret', async (t) => {
  const { double, store } = await start(t)
  double.plan = () => ({ kind: 'answer', status: 403, code: 'AccessDenied' })
  await assert.rejects(store.put('k', [bytes]), (error) => {
    assert.ok(isFailure(error, 'store-denied'))
    assert.deepEqual(error.details, { name: 'PutObject', key: 'k', status: 403, error: 'AccessDenied' })
    assert.ok(!JSON.stringify([error.message, error.details]).includes(double.credentials.secretAccessKey))
    return true
  })
})

test('a service that ignores If-None-Match is served, and its qualification says so', async (t) => {
  const { double, store } = await start(t, { ignoresIfNoneMatch: true })
  assert.deepEqual(await qualifyObjectStore(store, seededRandomness(5)), { refusesOverwrite: false })
  inTurn(double, 'put', [{ kind: 'cut', when: 'after' }, slowDown])
  await store.put('k', [bytes])
  assert.ok(bytes.equals(await store.get('k')))
})

test('a service that ignores ranges is store-unsuitable', async (t) => {
  const { double, store } = await start(t)
  await store.put('k', [bytes])
  double.plan = always('get', { kind: 'ignore-range' })
  await assert.rejects(store.get('k', { offset: 0, length: 10 }), is('store-unsuitable'))
  await assert.rejects(store.get('k', { offset: 10, length: 10 }), is('store-unsuitable'))
  await assert.rejects(qualifyObjectStore(store, seededRandomness(6)), is('store-unsuitable'))
})

test('a listing that comes round to its beginning is store-unavailable, not endless', async (t) => {
  const { double, store } = await start(t)
  for (let index = 0; index < 5; index += 1) await store.put(`k/${index}`, [bytes])
  double.plan = always('list', { kind: 'ignore-token' })
  await assert.rejects(async () => {
    for await (const object of store.list('')) assert.ok(object.key)
  }, is('store-unavailable'))
  assert.equal(double.counts.list, 2)
})

test('an object of 16 MiB is stored and read over several connections at once', async (t) => {
  const { store } = await start(t)
  const large = Buffer.alloc(16 * 1024 * 1024, bytes)
  await store.put('large', [large.subarray(0, 1_000), large.subarray(1_000)])
  const quarter = large.length / 4
  const parts = [0, 1, 2, 3].map((index) => store.get('large', { offset: index * quarter, length: quarter }))
  assert.ok(large.equals(Buffer.concat(await Promise.all(parts))))
})
