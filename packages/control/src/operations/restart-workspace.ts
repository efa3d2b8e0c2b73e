import type { WorkspaceRecord } from '../domain/workspace.ts'
import { changeStatus } from './change-status.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace } from './find-workspace.ts'

/** Asks for a fresh sandbox on the present state, which is committed before the old one goes. */
export async function restartWorkspace(deps: Deps, caller: Caller, name: string): Promise<WorkspaceRecord> {
  const { id } = await findWorkspace(deps, caller, name)
  return await changeStatus(deps, caller, {
    workspace: id,
    action: 'restart',
    move: (_record, at) => ({ to: 'provisioning', at, reason: 'restart', pending: { kind: 'restart' } }),
  })
}
