import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'
import { errnoOf } from './errno.ts'

function systemError(code: unknown, errno?: number): Error {
  return Object.assign(new Error('a call failed'), { code, ...(errno === undefined ? {} : { errno }) })
}

test('a system error is known by its code', () => {
  assert.equal(errnoOf(systemError('ENOSPC', -28)), 'ENOSPC')
  assert.equal(errnoOf(systemError(7)), undefined)
  assert.equal(errnoOf(new Error('no code')), undefined)
  assert.equal(errnoOf('ENOSPC'), undefined)
})

test('an error number that Node has no code for has the name that the system gives it', () => {
  assert.equal(errnoOf(systemError('UNKNOWN', -constants.errno.EDQUOT)), 'EDQUOT')
  assert.equal(errnoOf(systemError('UNKNOWN', -99_999)), 'UNKNOWN')
  assert.equal(errnoOf(systemError('UNKNOWN')), 'UNKNOWN')
})
