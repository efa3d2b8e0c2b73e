import { Failure } from '@holdfast/base/failure'
import type { WorkspaceRow } from './generation-index.ts'
import { workspaceOf } from './sql-rows.ts'
import type { SqliteConnection } from './sqlite-connection.ts'

/** Throws `not-found`. */
export function workspaceRow(connection: SqliteConnection, id: string): WorkspaceRow {
  const row = connection.one('SELECT * FROM workspaces WHERE id = ?', id)
  if (row === undefined) throw new Failure('not-found', `no such workspace: ${id}`, { workspace: id })
  return workspaceOf(row)
}

/** In the order of their ids. */
export function workspaceRows(connection: SqliteConnection, org: string): readonly WorkspaceRow[] {
  return connection.all('SELECT * FROM workspaces WHERE org = ? ORDER BY id', org).map(workspaceOf)
}
