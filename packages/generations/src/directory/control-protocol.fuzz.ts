import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import fc from 'fast-check'
import {
  encodeControlFailure,
  LINE_BYTES_MAX,
  LineSplitter,
  parseControlAnswer,
  parseControlRequest,
} from './control-protocol.ts'

const SEED = 20_261

function failureOf(parse: () => unknown): unknown {
  try {
    parse()
    return undefined
  } catch (error) {
    return error
  }
}

test('a line of any text is a request, an answer, or a named failure', (context) => {
  context.diagnostic(`seed ${SEED}`)
  const lines = fc.oneof(
    fc.string(),
    fc.json(),
    fc.record({ request: fc.anything() }).map((value) => JSON.stringify(value) ?? ''),
  )
  fc.assert(
    fc.property(lines, fc.constantFrom('sync', 'checkpoint', 'status', 'stop'), (line, request) => {
      const asked = failureOf(() => parseControlRequest(line))
      const answered = failureOf(() => parseControlAnswer(request, line))
      assert.ok(asked === undefined || isFailure(asked, 'invalid-argument'))
      assert.ok(answered === undefined || isFailure(answered))
    }),
    { seed: SEED, numRuns: 3000 },
  )
})

test('an answer with a failure of any shape is a failure with a code of the table', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('code', 'message', 'details', 'kind'), fc.jsonValue()),
      (failure) => {
        const told = failureOf(() => parseControlAnswer('sync', JSON.stringify({ failure })))
        assert.ok(isFailure(told) && told.kind !== undefined)
      },
    ),
    { seed: SEED, numRuns: 1000 },
  )
})

test('what is no Failure crosses the socket as a defect', () => {
  const told = failureOf(() => parseControlAnswer('sync', encodeControlFailure(new TypeError('x'))))
  assert.ok(isFailure(told, 'internal'))
})

test('bytes cut anywhere give the lines that were sent', () => {
  const text = fc.array(
    fc.string().map((line) => line.replaceAll('\n', ' ')),
    { maxLength: 20 },
  )
  fc.assert(
    fc.property(text, fc.array(fc.nat(40), { minLength: 1 }), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
      const splitter = new LineSplitter()
      const found: string[] = []
      for (let at = 0, cut = 0; at < bytes.length; cut++) {
        const length = 1 + (cuts[cut % cuts.length] ?? 0)
        found.push(...splitter.push(bytes.subarray(at, at + length)))
        at += length
      }
      assert.deepEqual(
        found,
        lines.map((line) => Buffer.from(line).toString()),
      )
    }),
    { seed: SEED, numRuns: 500 },
  )
})

test('a line that never ends is refused at its bound, in one piece and in many', () => {
  const long = Buffer.alloc(LINE_BYTES_MAX + 1, 'x')
  assert.ok(
    isFailure(
      failureOf(() => new LineSplitter().push(long)),
      'invalid-argument',
    ),
  )
  const splitter = new LineSplitter()
  assert.deepEqual(splitter.push(long.subarray(1)), [])
  assert.ok(
    isFailure(
      failureOf(() => splitter.push(Buffer.from('xx\n'))),
      'invalid-argument',
    ),
  )
})
