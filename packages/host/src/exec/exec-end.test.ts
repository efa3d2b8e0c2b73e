import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideEnd } from './exec-end.ts'

const exited = { kind: 'exited', exitCode: 2 } as const
const killed = { kind: 'signaled', signal: 'SIGKILL', isOom: false } as const
const gone = { kind: 'gone' } as const

test('an end is called by what happened, and by why it was brought about', () => {
  const called = (...args: Parameters<typeof decideEnd>) => {
    const { status, reason, exitCode, signal } = decideEnd(...args)
    return [status, reason, exitCode, signal]
  }
  const stop = { kind: 'ended', reason: 'stop' } as const
  const signal = { kind: 'ended', reason: 'signal' } as const
  assert.deepEqual(called(exited, undefined), ['exited', null, 2, null])
  assert.deepEqual(called(exited, signal), ['exited', null, 2, null])
  assert.deepEqual(called(exited, stop), ['killed', 'stop', 2, null])
  assert.deepEqual(called(killed, undefined), ['killed', 'signal', null, 'SIGKILL'])
  assert.deepEqual(called({ ...killed, isOom: true }, undefined), ['killed', 'oom', null, 'SIGKILL'])
  assert.deepEqual(called(killed, stop), ['killed', 'stop', null, 'SIGKILL'])
  assert.deepEqual(called(killed, { kind: 'timeout' }), ['timed_out', null, null, 'SIGKILL'])
  assert.deepEqual(called(gone, undefined), ['lost', 'node_lost', null, null])
  assert.deepEqual(called(gone, { kind: 'ended', reason: 'handoff' }), ['killed', 'handoff', null, 'SIGKILL'])
})
