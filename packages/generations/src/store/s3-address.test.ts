import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import fc from 'fast-check'
import { formatS3Address, parseS3Address } from './s3-address.ts'

test('an address with every setting, and one with none, mean what they say', () => {
  assert.deepEqual(
    parseS3Address('s3://bucket/a/b?endpoint=http://127.0.0.1:9000&region=eu-central-1&path_style=false'),
    {
      bucket: 'bucket',
      prefix: 'a/b',
      endpoint: 'http://127.0.0.1:9000',
      region: 'eu-central-1',
      pathStyle: false,
    },
  )
  assert.deepEqual(parseS3Address('s3://bucket'), {
    bucket: 'bucket',
    prefix: '',
    endpoint: undefined,
    region: 'us-east-1',
    pathStyle: false,
  })
  assert.equal(parseS3Address('s3://bucket/?endpoint=https://minio.example').pathStyle, true)
})

test('an address read back from its text is the same', () => {
  const address = fc.record(
    {
      bucket: fc
        .stringMatching(/^[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]$/)
        .filter((name) => URL.canParse(`s3://${name}`)),
      prefix: fc
        .array(fc.stringMatching(/^[A-Za-z0-9_-]{1,9}$/), { maxLength: 3 })
        .map((parts) => parts.join('/')),
      endpoint: fc.constantFrom(undefined, 'http://127.0.0.1:9000', 'https://s3.example', 'http://[::1]:1'),
      region: fc.stringMatching(/^[a-z0-9-]{1,12}$/),
      pathStyle: fc.boolean(),
    },
    { noNullPrototype: true },
  )
  fc.assert(fc.property(address, (each) => assert.deepEqual(parseS3Address(formatS3Address(each)), each)))
})

test('an address of another shape is refused, and a secret in it is not repeated', () => {
  for (const text of [
    '',
    's3:',
    's3://',
    's3://b',
    's3:///prefix',
    's3://user:TOPSECRET@bucket/p',
    's3://TOPSECRET@bucket/p',
    's3://bucket:9000/p',
    's3://bucket/p#f',
    's3://bucket/p?secret_access_key=TOPSECRET',
    's3://bucket/p?region=a&region=b',
    's3://bucket/p?endpoint=ftp://host',
    's3://bucket/p?endpoint=http://user:TOPSECRET@host',
    's3://bucket/p?endpoint=http://host/path',
    's3://bucket/p?endpoint=nothing',
    's3://bucket/p?path_style=maybe',
    's3://bucket/p?region=a%20b',
    's3://bucket/a//b',
    's3://bucket/a%20b',
    'http://bucket/p',
    `s3://bucket/${'p'.repeat(600)}`,
    `s3://bucket/p?region=${'r'.repeat(4_000)}`,
  ]) {
    assert.throws(
      () => parseS3Address(text),
      (error) => {
        assert.ok(isFailure(error, 'invalid-argument'), text)
        assert.ok(!JSON.stringify([error.message, error.details, error.stack]).includes('TOPSECRET'), text)
        return true
      },
    )
  }
})

test('any text is an address or refused by name', () => {
  const texts = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `s3://bucket/${rest}`),
    fc.string().map((rest) => `s3://${rest}`),
  )
  fc.assert(
    fc.property(texts, (text) => {
      try {
        parseS3Address(text)
      } catch (error) {
        assert.ok(isFailure(error, 'invalid-argument'))
      }
    }),
    { numRuns: 1_000 },
  )
})
