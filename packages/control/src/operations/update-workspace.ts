import type { FromWire } from '@holdfast/protocol/rest/wire-case'
import type { UpdateWorkspace } from '@holdfast/protocol/rest/workspace'
import type { z } from 'zod'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace, takeWorkspace } from './find-workspace.ts'
import { audited } from './tell-event.ts'

export type WorkspaceUpdate = FromWire<z.output<typeof UpdateWorkspace>>

/** Changes what may be changed at any time. Rejects with `already-exists` for a name that is taken. */
export async function updateWorkspace(
  deps: Deps,
  caller: Caller,
  wish: { readonly workspace: string; readonly update: WorkspaceUpdate },
): Promise<WorkspaceRecord> {
  const { id } = await findWorkspace(deps, caller, wish.workspace)
  const { name, labels, idleTimeoutMs } = wish.update
  return await deps.store.write(async (changes) => {
    const record = await takeWorkspace(changes, id)
    const at = deps.clock.wallMs()
    const next = {
      ...record,
      ...(name === undefined ? {} : { name }),
      ...(labels === undefined ? {} : { labels }),
      ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
      updatedAt: at,
    }
    await changes.workspaces.save(next)
    changes.emit(
      audited(caller, { type: 'workspace_update', at, workspace: record, payload: { ...wish.update } }),
    )
    return next
  })
}
