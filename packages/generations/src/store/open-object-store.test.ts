import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import { startS3Double } from '@holdfast/testkit/s3-double'
import { openObjectStore } from './open-object-store.ts'

const deps = { clock: systemClock, randomness: systemRandomness }

test('a path, file: and file:// open the same folder, and its address opens it again', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-open-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const path = join(root, 'with space%20')
  await using first = await openObjectStore(path, deps)
  await first.put('k', [Buffer.from('x')])
  for (const address of [first.address, `file:${path}`, `file://${path}`, `FILE:${path}`]) {
    await using store = await openObjectStore(address, deps)
    assert.deepEqual(await store.head('k'), { bytes: 1 }, address)
    assert.equal(store.address, `file:${path}`)
  }
})

test('memory: opens a store of its own each time', async () => {
  await using first = await openObjectStore('memory:', deps)
  await using second = await openObjectStore('memory:', deps)
  await first.put('k', [])
  assert.equal(await second.head('k'), undefined)
  assert.equal(first.address, 'memory:')
})

test('s3:// opens a bucket with credentials, which its address does not show', async () => {
  await using double = await startS3Double()
  await using store = await openObjectStore(double.addressOf('p'), {
    ...deps,
    s3Credentials: double.credentials,
  })
  await store.put('k', [Buffer.from('x')])
  assert.deepEqual([...double.bucket.objects.keys()], ['p/k'])
  assert.equal(store.address, double.addressOf('p'))
  await using again = await openObjectStore(store.address, {
    ...deps,
    s3Credentials: async () => double.credentials,
  })
  assert.deepEqual(await again.head('k'), { bytes: 1 })
})

test('an address of no known kind is invalid-argument', async () => {
  for (const address of ['', 'file:', 'gs://bucket', 'http://host/x', 'c:store', 's3:bucket', 'a\0b']) {
    await assert.rejects(
      openObjectStore(address, deps),
      (error) => isFailure(error, 'invalid-argument'),
      address,
    )
  }
})
