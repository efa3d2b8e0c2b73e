import type { WorkspaceRecord } from '../domain/workspace.ts'
import { changeStatus } from './change-status.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace } from './find-workspace.ts'

export interface StopWish {
  readonly drainMs: number
  readonly force: boolean
}

/** Asks for the end of the sandbox, with a last generation. What is stopped, or on the way, is left alone. */
export async function stopWorkspace(
  deps: Deps,
  caller: Caller,
  wish: StopWish & { readonly workspace: string },
): Promise<WorkspaceRecord> {
  const { drainMs, force } = wish
  const { id } = await findWorkspace(deps, caller, wish.workspace)
  return await changeStatus(deps, caller, {
    workspace: id,
    action: 'stop',
    payload: { drain_ms: drainMs, force },
    move: (record, at) =>
      record.status === 'stopping' || record.status === 'stopped'
        ? undefined
        : { to: 'stopping', at, pending: { kind: 'close', drainMs, force, from: record.status } },
  })
}
