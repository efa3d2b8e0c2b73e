import { Failure } from '@holdfast/base/failure'
import type { Caller, Deps } from './context.ts'
import { findWorkspace, takeWorkspace } from './find-workspace.ts'
import { audited, happened } from './tell-event.ts'

/** Hides a workspace for good and frees its name; the reconciler ends what runs. With `force` also one that runs. */
export async function removeWorkspace(
  deps: Deps,
  caller: Caller,
  wish: { readonly workspace: string; readonly force: boolean },
): Promise<void> {
  const { id } = await findWorkspace(deps, caller, wish.workspace)
  await deps.store.write(async (changes) => {
    const record = await takeWorkspace(changes, id)
    if (!wish.force && record.status !== 'stopped' && record.status !== 'failed')
      throw new Failure(
        'invalid-state',
        `the workspace is ${record.status}: stop it first, or remove it by force`,
        {
          status: record.status,
        },
      )
    const at = deps.clock.wallMs()
    await changes.workspaces.save({ ...record, removedAt: at, updatedAt: at, dueAt: at, attempts: 0 })
    changes.emit(
      audited(caller, { type: 'workspace_remove', at, workspace: record, payload: { force: wish.force } }),
    )
    changes.emit(
      happened(record, { type: 'workspace_status', at, actor: caller.actor, payload: { status: 'removed' } }),
    )
  })
}
