import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { receiveBody } from './s3-client.ts'

const unavailable = (error: unknown) => isFailure(error, 'store-unavailable')
const body = () => Readable.from([Buffer.from('ab'), Buffer.from('cde')])
const { signal } = new AbortController()

test('a body of the announced length is received whole, also an empty one', async () => {
  assert.equal(Buffer.from(await receiveBody(body(), 5, signal)).toString(), 'abcde')
  assert.equal((await receiveBody(Readable.from([]), 0, signal)).length, 0)
})

test('a body shorter or longer than announced, of no length, or absent, is store-unavailable', async () => {
  for (const length of [4, 6, 2 ** 40, undefined])
    await assert.rejects(receiveBody(body(), length, signal), unavailable)
  for (const none of [undefined, null, 'text', {}])
    await assert.rejects(receiveBody(none, 0, signal), unavailable)
  await assert.rejects(receiveBody(Readable.from(['text']), 4, signal), unavailable)
})

test('a body that stops coming is given up at the deadline, together with its connection', async () => {
  const deadline = new AbortController()
  const silent = new PassThrough()
  silent.write('ab')
  const received = receiveBody(silent, 5, deadline.signal)
  await systemClock.sleep(5)
  deadline.abort()
  await assert.rejects(received, unavailable)
  assert.ok(silent.destroyed)
  const late = new PassThrough()
  await assert.rejects(receiveBody(late, 5, deadline.signal), { name: 'AbortError' })
  assert.ok(late.destroyed)
})

test('a body that is refused frees its connection', async () => {
  const refused = body()
  await assert.rejects(receiveBody(refused, undefined, signal), unavailable)
  assert.ok(refused.destroyed)
})
