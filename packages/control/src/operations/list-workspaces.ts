import type { WorkspaceStatus } from '@holdfast/protocol/workspace-status'
import { type Page, pageFrom, parseCursor } from '../domain/cursor.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'

export interface WorkspaceListing {
  readonly status?: WorkspaceStatus
  readonly name?: string
  readonly labels: readonly (readonly [name: string, value: string])[]
  readonly includeArchived: boolean
  readonly cursor?: string
  readonly limit: number
}

/** Workspaces of the caller's org, newest first. */
export async function listWorkspaces(
  deps: Deps,
  caller: Caller,
  listing: WorkspaceListing,
): Promise<Page<WorkspaceRecord>> {
  const { cursor, limit, ...query } = listing
  const found = await deps.store.read.workspaces.list({
    ...query,
    org: caller.org,
    ...(cursor === undefined ? {} : { after: parseCursor(cursor) }),
    limit: limit + 1,
  })
  return pageFrom(found, limit, ({ createdAt, id }) => ({ at: createdAt, id }))
}
