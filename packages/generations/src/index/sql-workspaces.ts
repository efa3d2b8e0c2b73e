import { Failure } from '@holdfast/base/failure'
import type { WorkspaceRow } from './generation-index.ts'
import { all, type Operation, one } from './sql-operation.ts'
import { workspaceOf } from './sql-rows.ts'

/** Throws `not-found`. */
export function* workspaceRow(id: string): Operation<WorkspaceRow> {
  const row = yield* one('SELECT * FROM workspaces WHERE id = ?', id)
  if (row === undefined) throw new Failure('not-found', `no such workspace: ${id}`, { workspace: id })
  return workspaceOf(row)
}

/** In the order of their ids. */
export function* workspaceRows(org: string): Operation<readonly WorkspaceRow[]> {
  return (yield* all('SELECT * FROM workspaces WHERE org = ? ORDER BY id', org)).map(workspaceOf)
}
