import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FAILURES, type FailureKind } from './failures.ts'

/** The HTTP statuses that a failure of a kind may have. */
const STATUSES: Readonly<Record<FailureKind, readonly number[]>> = {
  refused: [400, 401, 403, 404, 409, 413, 421, 422],
  unavailable: [429, 502, 503, 504, 507],
  fenced: [409],
  broken: [500],
}

test('every failure has the status of its kind, and a hint that is one line without a full stop', () => {
  for (const [code, { kind, http, hint }] of Object.entries(FAILURES)) {
    assert.match(code, /^[a-z]+(-[a-z]+)*$/)
    assert.ok(STATUSES[kind].includes(http), `${code} is ${kind} and has status ${http}`)
    assert.match(hint, /^[^\n]{10,100}[^.\n]$/, code)
  }
})
