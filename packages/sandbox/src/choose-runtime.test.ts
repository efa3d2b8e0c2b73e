import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { chooseRuntime } from './choose-runtime.ts'

const RUNC = { kind: 'runc', isolation: 'shared-kernel' } as const
const RUNSC = { kind: 'runsc', isolation: 'sandboxed-kernel' } as const
const NONE = { kind: 'none', isolation: 'none' } as const

test('the first runtime that isolates enough is chosen, and a stronger one rather than none', () => {
  assert.equal(chooseRuntime([RUNC, RUNSC], { isolationMin: 'shared-kernel' }), RUNC)
  assert.equal(chooseRuntime([RUNC, RUNSC], { isolationMin: 'sandboxed-kernel' }), RUNSC)
  assert.equal(chooseRuntime([RUNSC, RUNC], { isolationMin: 'shared-kernel' }), RUNSC)
  assert.equal(chooseRuntime([RUNC, NONE], { isolationMin: 'none' }), RUNC)
  assert.equal(chooseRuntime([RUNC, RUNSC], { isolationMin: 'none', runtime: 'runsc' }), RUNSC)
  const writing = { isolationMin: 'shared-kernel', systemWrites: 'kept' } as const
  assert.equal(chooseRuntime([RUNSC, RUNC], writing), RUNC)
})

test('less than what is asked for is never given', () => {
  for (const wish of [
    { isolationMin: 'vm' },
    { isolationMin: 'shared-kernel', runtime: 'none' },
    { isolationMin: 'none', runtime: 'bwrap' },
    { isolationMin: 'none', runtime: 'runsc', systemWrites: 'discarded' },
    { isolationMin: 'sandboxed-kernel', systemWrites: 'kept' },
  ] as const)
    assert.throws(
      () => chooseRuntime([RUNC, RUNSC, NONE], wish),
      (error) => isFailure(error, 'isolation-unavailable'),
    )
})
