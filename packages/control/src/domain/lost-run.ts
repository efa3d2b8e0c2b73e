import { Failure } from '@holdfast/base/failure'
import type { WorkspaceRecord } from './workspace.ts'

/** The record of a workspace whose run has ended without its last commit. */
export function withLostRun(record: WorkspaceRecord): WorkspaceRecord {
  return { ...record, lostEpoch: record.epoch }
}

/**
 * Rejects with `lease-lost` if something of the run of `epoch` may have been lost: nobody may be told that what they have
 * seen there is durable.
 */
export function requireKept({ epoch: present, lostEpoch, head }: WorkspaceRecord, epoch: number): void {
  if (epoch > lostEpoch) return
  const said = `the run of epoch ${epoch} has ended without its last commit: what it had not made durable is gone`
  throw new Failure('lease-lost', said, { epoch: present, head })
}
