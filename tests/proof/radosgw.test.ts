import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import { travelThroughStore } from '@holdfast/cli/commands/dir/store-journey.fixture'
import { type OpenStoreDeps, openObjectStore } from '@holdfast/generations/store/open-object-store'
import { qualifyObjectStore } from '@holdfast/generations/store/qualify-object-store'
import { objectStoreConformance } from '@holdfast/testkit/object-store-conformance'
import { Radosgw } from '@holdfast/testkit/radosgw'

const BUCKET = 'workspaces'

describe('against the S3 service of Ceph', () => {
  let service: Radosgw
  let prefixes = 0

  before(async () => {
    service = await Radosgw.start()
    await service.createBucket(BUCKET)
  })
  after(() => service[Symbol.asyncDispose]())

  function depsWith(secretAccessKey = service.credentials.secretAccessKey): OpenStoreDeps {
    const s3Credentials = { ...service.credentials, secretAccessKey }
    return { clock: systemClock, randomness: systemRandomness, s3Credentials }
  }

  objectStoreConformance('the S3 store', async () =>
    openObjectStore(service.addressOf(BUCKET, `conformance/${prefixes++}`), depsWith()),
  )

  test('a history lives, is lost and comes back on another machine', async () => {
    const { accessKeyId, secretAccessKey } = service.credentials
    await travelThroughStore({
      address: service.addressOf(BUCKET, 'journey'),
      environment: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
    })
  })

  test('a wrong secret is store-denied, and a bucket that is not there store-missing', async () => {
    for (const [bucket, secret, code] of [
      [BUCKET, 'guessed', 'store-denied'],
      ['elsewhere', undefined, 'store-missing'],
    ] as const) {
      await using store = await openObjectStore(service.addressOf(bucket, 'p'), depsWith(secret))
      await assert.rejects(qualifyObjectStore(store, systemRandomness), (error) => isFailure(error, code))
    }
  })

  test('a listing of more than one page of a thousand keys has each of them once', async () => {
    await using store = await openObjectStore(service.addressOf(BUCKET, 'pages'), depsWith())
    const keys = Array.from({ length: 1_100 }, (_, index) => `k/${index}`)
    for (let at = 0; at < keys.length; at += 50)
      await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, [Buffer.from(key)])))
    const listed: string[] = []
    for await (const { key } of store.list('k/')) listed.push(key)
    assert.deepEqual(listed.sort(), keys.sort())
  })
})
