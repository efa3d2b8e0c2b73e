import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { systemClock } from '@holdfast/base/clock'
import { type S3Double, startS3Double } from './s3-double.ts'

interface Overrides {
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly region?: string
}

function clientOf(double: S3Double, overrides: Overrides = {}): S3Client {
  return new S3Client({
    endpoint: double.endpoint,
    region: overrides.region ?? 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    credentials: { ...double.credentials, ...overrides },
  })
}

const place = { Bucket: 'workspaces', Key: 'a/b c+ü' }
const put = (body: string, more: object = {}) =>
  new PutObjectCommand({ ...place, Body: body, ChecksumAlgorithm: 'SHA256', ...more })

test('a signed request is served, also with characters that the signature encodes', async () => {
  await using double = await startS3Double()
  const client = clientOf(double)
  await client.send(put('hello'))
  const found = await client.send(new GetObjectCommand(place))
  assert.equal(await found.Body?.transformToString(), 'hello')
  const page = await client.send(new ListObjectsV2Command({ Bucket: 'workspaces', Prefix: 'a/b c+' }))
  assert.deepEqual(
    page.Contents?.map(({ Key }) => Key),
    ['a/b c+ü'],
  )
})

test('a request with a wrong key, secret, region or no signature has no effect', async () => {
  await using double = await startS3Double()
  for (const [overrides, code] of [
    [{ accessKeyId: 'OTHER' }, 'InvalidAccessKeyId'],
    [{ secretAccessKey: 'other' }, 'SignatureDoesNotMatch'],
    [{ region: 'eu-central-1' }, 'AuthorizationHeaderMalformed'],
  ] as const) {
    await assert.rejects(clientOf(double, overrides).send(put('x')), { name: code })
  }
  const unsigned = await fetch(`${double.endpoint}/workspaces/k`, { method: 'PUT', body: 'x' })
  assert.equal(unsigned.status, 403)
  assert.equal(double.bucket.objects.size, 0)
})

test('a body that differs from its checksum is refused', async () => {
  await using double = await startS3Double()
  const wrong = Buffer.alloc(32).toString('base64')
  const command = new PutObjectCommand({ ...place, Body: 'x', ChecksumSHA256: wrong })
  await assert.rejects(clientOf(double).send(command), { name: 'BadDigest' })
  await assert.rejects(clientOf(double).send(new PutObjectCommand({ ...place, Body: 'x' })), {
    name: 'InvalidRequest',
  })
  assert.equal(double.bucket.objects.size, 0)
})

test('If-None-Match refuses an existing key, unless the double ignores it', async () => {
  await using strict = await startS3Double()
  await clientOf(strict).send(put('first', { IfNoneMatch: '*' }))
  await assert.rejects(clientOf(strict).send(put('second', { IfNoneMatch: '*' })), {
    name: 'PreconditionFailed',
  })
  await using lax = await startS3Double({ ignoresIfNoneMatch: true })
  await clientOf(lax).send(put('first', { IfNoneMatch: '*' }))
  await clientOf(lax).send(put('second', { IfNoneMatch: '*' }))
  assert.equal(lax.bucket.objects.get(place.Key)?.bytes.toString(), 'second')
})

test('what the double does not know is 501, never a plausible answer', async () => {
  await using double = await startS3Double()
  for (const [method, path] of [
    ['GET', '/'],
    ['GET', '/workspaces'],
    ['GET', '/workspaces?list-type=2&delimiter=/'],
    ['PUT', '/workspaces/k?partNumber=1&uploadId=2'],
    ['POST', '/workspaces?delete'],
  ]) {
    double.counts.other = 0
    await fetch(`${double.endpoint}${path}`, { method: method ?? 'GET' })
    assert.equal(double.counts.other, 1, `${method} ${path}`)
  }
})

test('latency delays each request, and a request with a broken path harms nobody', async () => {
  await using double = await startS3Double({ latencyMs: 40 })
  const began = systemClock.monotonicMs()
  await clientOf(double).send(put('x'))
  assert.ok(systemClock.monotonicMs() - began >= 38)
  await assert.rejects(fetch(`${double.endpoint}/workspaces/%zz`))
  await clientOf(double).send(put('y'))
})
