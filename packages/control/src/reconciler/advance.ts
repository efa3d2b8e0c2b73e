import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Deps } from '../operations/context.ts'
import { statusEvent } from '../operations/tell-event.ts'
import type { Changes } from '../ports/store.ts'

type Change = (record: WorkspaceRecord, changes: Changes) => WorkspaceRecord | Promise<WorkspaceRecord>

/**
 * Writes what a step has come to; undefined if the workspace has changed its status since the step began, or is to be
 * removed: what the step did is then judged by the next one.
 */
export function advance(
  deps: Deps,
  begun: WorkspaceRecord,
  change: Change,
): Promise<WorkspaceRecord | undefined> {
  return deps.store.write(async (changes) => {
    const record = await changes.workspaces.take(begun.id)
    if (record === undefined || record.moves !== begun.moves || record.removedAt !== begun.removedAt)
      return undefined
    const next = await change(record, changes)
    if (next === record) return record
    await changes.workspaces.save(next)
    if (next.moves !== record.moves) changes.emit(statusEvent(next))
    return next
  })
}
