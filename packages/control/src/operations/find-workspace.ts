import { Failure } from '@holdfast/base/failure'
import { WorkspaceId, WorkspaceName } from '@holdfast/protocol/identifiers'
import type { HostRecord } from '../domain/host.ts'
import { isLive, isTransitional } from '../domain/transitions.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { HostLink } from '../ports/host-links.ts'
import type { Changes } from '../ports/store.ts'
import type { Caller, Deps } from './context.ts'

/** By id or name; a foreign one, a removed one and one that never was are `not-found` in the same words. */
export async function findWorkspace(
  deps: Deps,
  caller: Pick<Caller, 'org'>,
  name: string,
): Promise<WorkspaceRecord> {
  const isName = WorkspaceId.safeParse(name).success || WorkspaceName.safeParse(name).success
  const found = isName ? await deps.store.read.workspaces.find(caller.org, name) : undefined
  if (found === undefined) throw noWorkspace()
  return found
}

/** The same inside of a transaction, where it stays as it is. */
export async function takeWorkspace(changes: Changes, id: WorkspaceId): Promise<WorkspaceRecord> {
  const record = await changes.workspaces.take(id)
  if (record === undefined || record.removedAt !== null) throw noWorkspace()
  return record
}

function noWorkspace(): Failure {
  return new Failure('not-found', 'there is no such workspace')
}

/** The host that a workspace is on. */
export async function hostOf(deps: Deps, record: WorkspaceRecord): Promise<HostRecord> {
  const host = record.host === null ? undefined : await deps.store.read.hosts.byId(record.host)
  if (host === undefined)
    throw new Failure('host-unreachable', 'the workspace is on no host now', { status: record.status })
  return host
}

export async function linkOf(deps: Deps, record: WorkspaceRecord): Promise<HostLink> {
  return deps.links.to((await hostOf(deps, record)).address)
}

/** The record once its status is no step on the way to another, or as it is after `waitMs`. */
export async function settled(deps: Deps, record: WorkspaceRecord, waitMs: number): Promise<WorkspaceRecord> {
  let last = record
  await deps.signals.until(record.id, waitMs, async () => {
    last = (await deps.store.read.workspaces.byId(record.id)) ?? last
    return isTransitional(last.status) ? undefined : last
  })
  return last
}

export async function liveOrRefused(
  deps: Deps,
  record: WorkspaceRecord,
  waitMs: number,
): Promise<WorkspaceRecord> {
  const last = isLive(record.status) ? record : await settled(deps, record, waitMs)
  if (isLive(last.status)) return last
  if (isTransitional(last.status))
    throw new Failure(
      'timed-out',
      `the workspace is still ${last.status}: ${last.message ?? last.reason ?? ''}`,
      {
        status: last.status,
      },
    )
  throw new Failure(
    'invalid-state',
    `the workspace is ${last.status}: ${last.message ?? last.reason ?? ''}`,
    {
      status: last.status,
    },
  )
}
