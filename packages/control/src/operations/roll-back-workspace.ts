import type { WorkspaceRecord } from '../domain/workspace.ts'
import { changeStatus } from './change-status.ts'
import type { Caller, Deps } from './context.ts'
import { findGeneration } from './find-generation.ts'
import { findWorkspace } from './find-workspace.ts'

/** Asks for a fresh sandbox on the state of an older generation, which becomes a new one: history is never deleted. */
export async function rollBackWorkspace(
  deps: Deps,
  caller: Caller,
  wish: { readonly workspace: string; readonly generation: string },
): Promise<WorkspaceRecord> {
  const record = await findWorkspace(deps, caller, wish.workspace)
  const generation = await findGeneration(deps, record, wish.generation)
  return await changeStatus(deps, caller, {
    workspace: record.id,
    action: 'rollback',
    payload: { generation: generation.id, sequence: generation.sequence },
    move: (_record, at) => ({
      to: 'provisioning',
      at,
      reason: 'rollback',
      pending: { kind: 'roll-back', generation: generation.id },
    }),
  })
}
