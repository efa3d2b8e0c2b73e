import { requireAction } from '../domain/transitions.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace, takeWorkspace } from './find-workspace.ts'
import { audited } from './tell-event.ts'

/** Hides a workspace that rests from lists, without deleting anything; again is no error. */
export function archiveWorkspace(deps: Deps, caller: Caller, name: string): Promise<WorkspaceRecord> {
  return setArchived(deps, caller, { name, isArchived: true })
}

export function unarchiveWorkspace(deps: Deps, caller: Caller, name: string): Promise<WorkspaceRecord> {
  return setArchived(deps, caller, { name, isArchived: false })
}

async function setArchived(
  deps: Deps,
  caller: Caller,
  wish: { readonly name: string; readonly isArchived: boolean },
): Promise<WorkspaceRecord> {
  const { id } = await findWorkspace(deps, caller, wish.name)
  return await deps.store.write(async (changes) => {
    const record = await takeWorkspace(changes, id)
    if ((record.archivedAt !== null) === wish.isArchived) return record
    const action = wish.isArchived ? 'archive' : 'unarchive'
    requireAction(record, action)
    const at = deps.clock.wallMs()
    const next = { ...record, archivedAt: wish.isArchived ? at : null, updatedAt: at }
    await changes.workspaces.save(next)
    changes.emit(audited(caller, { type: `workspace_${action}`, at, workspace: record }))
    return next
  })
}
