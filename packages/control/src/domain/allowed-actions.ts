import type { WorkspaceAction } from '@holdfast/protocol/rest/workspace'
import type { WorkspaceStatus } from '@holdfast/protocol/workspace-status'
import type { WorkspaceRecord } from './workspace.ts'

/** What a person may ask of a workspace in each status. `exec` in `stopped` resumes it first. */
const ACTIONS: Readonly<Record<WorkspaceStatus, readonly WorkspaceAction[]>> = {
  provisioning: ['stop', 'remove'],
  idle: ['stop', 'restart', 'exec', 'sync', 'checkpoint', 'rollback', 'fork', 'handoff', 'remove'],
  busy: ['stop', 'restart', 'exec', 'sync', 'checkpoint', 'remove'],
  stopping: ['remove'],
  stopped: ['resume', 'exec', 'rollback', 'fork', 'archive', 'remove'],
  failed: ['stop', 'fork', 'archive', 'remove'],
}

const ACTIONS_ARCHIVED: readonly WorkspaceAction[] = ['unarchive', 'remove']

export function allowedActions(record: WorkspaceRecord): readonly WorkspaceAction[] {
  return record.archivedAt === null ? ACTIONS[record.status] : ACTIONS_ARCHIVED
}
