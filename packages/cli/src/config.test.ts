import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { isFailure } from '@holdfast/base/failure'
import { parseConfig } from './config.ts'
import { completeStoreAddress } from './store-address.ts'

const asUser = { isRoot: false }

test('the home is that of the system for root, and of the user for others', () => {
  assert.equal(parseConfig({}, { isRoot: true }).home.value, '/var/lib/holdfast')
  assert.equal(parseConfig({ HOME: '/u' }, asUser).home.value, '/u/.local/share/holdfast')
  assert.equal(parseConfig({ HOME: '/u', XDG_DATA_HOME: '/x' }, asUser).home.value, '/x/holdfast')
  const named = parseConfig({ HOLDFAST_HOME: '/h' }, { isRoot: true })
  assert.deepEqual(named.home, { value: '/h', from: 'HOLDFAST_HOME' })
  assert.deepEqual(named.store, { value: '/h/store', from: 'default' })
})

test('every setting says where it came from', () => {
  const config = parseConfig(
    { HOLDFAST_STORE: 's3://b', AWS_DEFAULT_REGION: 'r', NO_COLOR: '1', HOLDFAST_THREADS: '3' },
    asUser,
  )
  assert.deepEqual(config.store, { value: 's3://b', from: 'HOLDFAST_STORE' })
  assert.deepEqual(config.s3Region, { value: 'r', from: 'AWS_DEFAULT_REGION' })
  assert.deepEqual(config.colours, { value: false, from: 'NO_COLOR' })
  assert.deepEqual(config.threads, { value: 3, from: 'HOLDFAST_THREADS' })
  assert.equal(config.debug.from, 'default')
})

test('a number of threads that makes no sense is refused', () => {
  for (const text of ['0', '-1', '2.5', 'many', '1000']) {
    assert.throws(
      () => parseConfig({ HOLDFAST_THREADS: text }, asUser),
      (error) => isFailure(error, 'invalid-argument'),
    )
  }
})

test('a secret is neither printed nor serialised', () => {
  const environment = {
    AWS_ACCESS_KEY_ID: 'AKIA1',
    AWS_SECRET_ACCESS_KEY: 'hush1',
    AWS_SESSION_TOKEN: 'hush2',
  }
  const config = parseConfig(environment, asUser)
  assert.deepEqual(config.s3Credentials.reveal(), {
    accessKeyId: 'AKIA1',
    secretAccessKey: 'hush1',
    sessionToken: 'hush2',
  })
  for (const text of [JSON.stringify(config), inspect(config, { depth: 9, showHidden: true })])
    assert.ok(!text.includes('hush'))
})

test('half of the credentials are none', () => {
  assert.equal(parseConfig({ AWS_ACCESS_KEY_ID: 'a' }, asUser).s3Credentials.reveal(), undefined)
})

test('a store address means the same later and elsewhere', () => {
  const plain = parseConfig({}, asUser)
  const aws = parseConfig({ AWS_REGION: 'eu-1', AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9000' }, asUser)
  assert.equal(completeStoreAddress('/a/../b', plain), '/b')
  assert.equal(completeStoreAddress('x', plain), `${process.cwd()}/x`)
  assert.equal(completeStoreAddress('file:///b', plain), '/b')
  assert.equal(completeStoreAddress('s3://b/p', plain), 's3://b/p')
  assert.equal(completeStoreAddress('s3://b/p', aws), 's3://b/p?region=eu-1&endpoint=http://127.0.0.1:9000')
  assert.equal(
    completeStoreAddress('s3://b?region=us-2&endpoint=http://h', aws),
    's3://b?region=us-2&endpoint=http://h',
  )
  assert.throws(
    () => completeStoreAddress('memory:', plain),
    (error) => isFailure(error, 'invalid-argument'),
  )
})
