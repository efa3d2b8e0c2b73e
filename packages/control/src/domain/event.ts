import type { OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import { canonicalJson } from './canonical-json.ts'

export type EventSource = 'control' | 'host' | 'egress' | 'guest'

/** What happened, before the sequencer has given it its number. */
export interface NewEvent {
  readonly category: 'activity' | 'audit'
  readonly type: string
  readonly org: OrgId
  readonly workspace: WorkspaceId | null
  readonly actor: string
  readonly source: EventSource
  readonly at: number
  readonly payload: Readonly<Record<string, unknown>>
}

export interface EventRecord extends NewEvent {
  readonly id: number
}

/** An audit row is hashed together with the hash of the row before it: no edit, drop or reordering goes unseen. */
export interface AuditRow extends EventRecord {
  readonly previousHash: string
  readonly hash: string
}

/** Before the first row of an org. */
export const AUDIT_HASH_FIRST = '0'.repeat(64)

export function auditHash(
  event: EventRecord,
  previousHash: string,
  sha256: (text: string) => string,
): string {
  const { id, type, org, workspace, actor, source, at, payload } = event
  return sha256(canonicalJson({ id, type, org, workspace, actor, source, at, payload, previousHash }))
}
