import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import { ExecId, WorkspaceId } from '@holdfast/protocol/identifiers'
import { ExecReports } from './exec-reports.ts'

const workspace = WorkspaceId.parse(`ws_${'0'.repeat(26)}`)

function report(id: string) {
  const ends = { reason: null, exitCode: 0, signal: null, endedAt: 2 }
  const exec = { id: ExecId.parse(id), status: 'exited' as const, startedAt: 1, lastSequence: 0, ...ends }
  return { workspace, epoch: 1, exec }
}

test('control is told again until it knows, in order, each end once', { timeout: 10_000 }, async () => {
  const told: string[] = []
  const known: string[] = []
  const allKnown = Promise.withResolvers<void>()
  let refusals = 2
  await using reports = new ExecReports({
    clock: systemClock,
    send: async (batch) => {
      if (refusals-- > 0) throw new Failure('overloaded', 'not now')
      told.push(...batch.map(({ exec }) => exec.id))
    },
    onReported: ({ exec }) => {
      known.push(exec.id)
      if (known.length === 3) allKnown.resolve()
    },
  })
  for (const id of ['a', 'b', 'c']) reports.add(report(id))
  await allKnown.promise
  assert.deepEqual(told, ['a', 'b', 'c'])
  assert.deepEqual(known, told)
})

test('nobody waits for a control that never answers', { timeout: 10_000 }, async () => {
  await using reports = new ExecReports({
    clock: systemClock,
    send: () => Promise.reject(new Failure('overloaded', 'never')),
    onReported: () => assert.fail('nobody knows'),
  })
  reports.add(report('a'))
})
