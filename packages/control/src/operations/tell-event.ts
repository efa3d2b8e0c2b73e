import type { NewEvent } from '../domain/event.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller } from './context.ts'

type Payload = NewEvent['payload']

/** What somebody asked for, kept in the audit before it has an effect. */
export function audited(
  caller: Pick<Caller, 'org' | 'actor'>,
  action: {
    readonly type: string
    readonly at: number
    readonly workspace?: WorkspaceRecord
    readonly payload?: Payload
  },
): NewEvent {
  return {
    category: 'audit',
    type: action.type,
    org: caller.org,
    workspace: action.workspace?.id ?? null,
    actor: caller.actor,
    source: 'control',
    at: action.at,
    payload: action.payload ?? {},
  }
}

/** What became of a workspace. */
export function happened(
  workspace: Pick<WorkspaceRecord, 'id' | 'org'>,
  event: { readonly type: string; readonly at: number; readonly actor?: string; readonly payload?: Payload },
): NewEvent {
  return {
    category: 'activity',
    type: event.type,
    org: workspace.org,
    workspace: workspace.id,
    actor: event.actor ?? 'control',
    source: 'control',
    at: event.at,
    payload: event.payload ?? {},
  }
}

export function statusEvent(record: WorkspaceRecord, actor = 'control'): NewEvent {
  const { status, reason, message, epoch, host } = record
  return happened(record, {
    type: 'workspace_status',
    at: record.movedAt,
    actor,
    payload: { status, reason, message, epoch, host_id: host },
  })
}
