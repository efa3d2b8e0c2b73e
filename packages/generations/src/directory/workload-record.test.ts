import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { loadWorkloadRecord, saveWorkloadRecord } from './workload-record.ts'

const NOTHING = { cgroups: [], attached: null, trees: [] }
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-record-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

test('what a watch may have frozen is found again', () => {
  const record = {
    cgroups: [
      { freezer: '/a', accounting: '/b' },
      { freezer: '/c', accounting: null },
    ],
    attached: '/d',
    trees: [{ pid: 7, startTicks: 99, mark: 'm' }],
  }
  saveWorkloadRecord(folder, record)
  assert.deepEqual(loadWorkloadRecord(folder), record)
})

test('with nothing left there is no file', () => {
  saveWorkloadRecord(folder, { ...NOTHING, attached: '/d' })
  saveWorkloadRecord(folder, NOTHING)
  assert.equal(existsSync(join(folder, 'workload.json')), false)
  assert.deepEqual(loadWorkloadRecord(folder), NOTHING)
})

test('entries of another shape are left out, and other bytes are a named failure', () => {
  const odd = { cgroups: [null, 3, { freezer: 1 }], attached: {}, trees: 'x' }
  writeFileSync(join(folder, 'workload.json'), JSON.stringify(odd))
  assert.deepEqual(loadWorkloadRecord(folder), NOTHING)
  writeFileSync(join(folder, 'workload.json'), '{')
  assert.throws(
    () => loadWorkloadRecord(folder),
    (error) => isFailure(error, 'history-corrupt'),
  )
})
