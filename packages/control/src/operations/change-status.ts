import type { WorkspaceId } from '@holdfast/protocol/identifiers'
import type { WorkspaceAction } from '@holdfast/protocol/rest/workspace'
import { type Move, moved, requireAction } from '../domain/transitions.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { takeWorkspace } from './find-workspace.ts'
import { audited, statusEvent } from './tell-event.ts'

export interface StatusChange {
  readonly action: WorkspaceAction
  readonly payload?: Readonly<Record<string, unknown>>
  /** Undefined: it is there already, or on the way. */
  readonly move: (record: WorkspaceRecord, nowMs: number) => Move | undefined
}

/** Writes the step that somebody asked for, with its audit row and event; the reconciler takes it. */
export function changeStatus(
  deps: Deps,
  caller: Caller,
  change: StatusChange & { readonly workspace: WorkspaceId },
): Promise<WorkspaceRecord> {
  return deps.store.write(async (changes) => {
    const record = await takeWorkspace(changes, change.workspace)
    const nowMs = deps.clock.wallMs()
    const move = change.move(record, nowMs)
    if (move === undefined) return record
    requireAction(record, change.action)
    const next = moved(record, move)
    await changes.workspaces.save(next)
    changes.emit(
      audited(caller, {
        type: `workspace_${change.action}`,
        at: nowMs,
        workspace: record,
        payload: change.payload ?? {},
      }),
    )
    changes.emit(statusEvent(next, caller.actor))
    return next
  })
}
