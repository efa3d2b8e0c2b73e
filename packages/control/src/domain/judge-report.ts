import type { WorkspaceFacts } from '@holdfast/protocol/host-calls'
import type { HostId } from '@holdfast/protocol/identifiers'
import type { WorkspaceRecord } from './workspace.ts'

export type ReportVerdict =
  /** It runs where it should: its facts count. */
  | 'keep'
  /** It was handed over, and this is the successor: the record follows. */
  | 'adopt'
  /** It should not run there any more. */
  | 'unwanted'
  /** Somebody is bringing it about: neither its facts nor its end are anybody's business yet. */
  | 'leave'

/** What a host's word about one workspace means. `record` is absent for one that is not known. */
export function judgeReport(
  record: WorkspaceRecord | undefined,
  host: HostId,
  facts: WorkspaceFacts,
): ReportVerdict {
  if (record === undefined) return 'unwanted'
  if (record.host === host) {
    if (facts.epoch >= record.epoch) return 'keep'
    // On its way in it has no epoch yet, and on its way out none any more.
    return facts.state === 'opening' || facts.state === 'closing' ? 'leave' : 'unwanted'
  }
  if (facts.epoch > record.epoch && (record.status === 'idle' || record.status === 'busy'))
    return facts.state === 'running' ? 'adopt' : 'leave'
  // Being stopped or opened: whoever was asked to says how it went.
  if (record.status === 'provisioning' || record.status === 'stopping') return 'leave'
  return facts.state === 'running' || facts.state === 'sandbox-gone' ? 'unwanted' : 'leave'
}
