import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkspaceFacts } from '@holdfast/protocol/host-calls'
import { HostId } from '@holdfast/protocol/identifiers'
import { judgeReport, type ReportVerdict } from './judge-report.ts'
import type { WorkspaceRecord } from './workspace.ts'

const HERE = HostId.parse(`host_${'0'.repeat(26)}`)
const ELSEWHERE = HostId.parse(`host_${'1'.repeat(26)}`)

type Row = readonly [
  record: Pick<WorkspaceRecord, 'host' | 'epoch' | 'status'>,
  facts: Pick<WorkspaceFacts, 'state' | 'epoch'>,
  verdict: ReportVerdict,
]

const ROWS: readonly Row[] = [
  [{ host: HERE, epoch: 3, status: 'idle' }, { state: 'running', epoch: 3 }, 'keep'],
  [{ host: HERE, epoch: 3, status: 'provisioning' }, { state: 'running', epoch: 5 }, 'keep'],
  [{ host: HERE, epoch: 3, status: 'idle' }, { state: 'running', epoch: 2 }, 'unwanted'],
  // The sandbox, or the right to run, has ended by itself: that run is the one which the record means.
  [{ host: HERE, epoch: 3, status: 'idle' }, { state: 'sandbox-gone', epoch: 3 }, 'keep'],
  [{ host: HERE, epoch: 3, status: 'idle' }, { state: 'failed', epoch: 3 }, 'keep'],
  [{ host: HERE, epoch: 3, status: 'idle' }, { state: 'sandbox-gone', epoch: 2 }, 'unwanted'],
  // A restart: what comes and goes where it should has no epoch for a moment.
  [{ host: HERE, epoch: 3, status: 'provisioning' }, { state: 'closing', epoch: 0 }, 'leave'],
  [{ host: HERE, epoch: 3, status: 'provisioning' }, { state: 'opening', epoch: 0 }, 'leave'],
  [{ host: ELSEWHERE, epoch: 3, status: 'idle' }, { state: 'running', epoch: 4 }, 'adopt'],
  [{ host: ELSEWHERE, epoch: 3, status: 'idle' }, { state: 'running', epoch: 2 }, 'unwanted'],
  [{ host: null, epoch: 3, status: 'provisioning' }, { state: 'opening', epoch: 0 }, 'leave'],
  [{ host: null, epoch: 3, status: 'stopped' }, { state: 'running', epoch: 3 }, 'unwanted'],
]

test('what a host says of a workspace counts where it should run, and ends what should not', () => {
  for (const [record, facts, verdict] of ROWS) {
    const judged = judgeReport(record as WorkspaceRecord, HERE, facts as WorkspaceFacts)
    assert.equal(judged, verdict, JSON.stringify([record, facts]))
  }
  assert.equal(judgeReport(undefined, HERE, { state: 'running', epoch: 1 } as WorkspaceFacts), 'unwanted')
})
