import type { WorkspaceId } from '@holdfast/protocol/identifiers'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import { changeStatus } from './change-status.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace } from './find-workspace.ts'

/** Asks for a sandbox. What runs, or is on the way, is left alone. */
export async function resumeWorkspace(deps: Deps, caller: Caller, name: string): Promise<WorkspaceRecord> {
  return await resume(deps, caller, (await findWorkspace(deps, caller, name)).id)
}

export function resume(deps: Deps, caller: Caller, workspace: WorkspaceId): Promise<WorkspaceRecord> {
  return changeStatus(deps, caller, {
    workspace,
    action: 'resume',
    move: (record, at) =>
      record.archivedAt === null && ['provisioning', 'idle', 'busy'].includes(record.status)
        ? undefined
        : { to: 'provisioning', at, pending: { kind: 'open' } },
  })
}
