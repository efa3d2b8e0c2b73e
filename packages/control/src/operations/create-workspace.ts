import { isFailure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import { WorkspaceId } from '@holdfast/protocol/identifiers'
import type { FromWire } from '@holdfast/protocol/rest/wire-case'
import type { CreateWorkspace } from '@holdfast/protocol/rest/workspace'
import {
  type Isolation,
  LIMITS_DEFAULT,
  SANDBOX_SPEC_DEFAULT,
  SandboxLimits,
  type SandboxSpec,
} from '@holdfast/protocol/sandbox-spec'
import type { z } from 'zod'
import { newWorkspace, type WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { resume } from './resume-workspace.ts'
import { audited, statusEvent } from './tell-event.ts'

export type WorkspaceWish = FromWire<z.output<typeof CreateWorkspace>>

/** Writes the wish; the reconciler makes history and sandbox. Rejects with `already-exists` for a name that is taken. */
export async function createWorkspace(
  deps: Deps,
  caller: Caller,
  wish: WorkspaceWish,
): Promise<WorkspaceRecord> {
  if (wish.name !== undefined && wish.ifExists === 'connect') {
    const existing = await deps.store.read.workspaces.find(caller.org, wish.name)
    if (existing !== undefined) return await connected(deps, caller, existing)
  }
  try {
    return await insertWorkspace(deps, caller, wish)
  } catch (error) {
    const name = wish.name
    if (!isFailure(error, 'already-exists') || name === undefined || wish.ifExists !== 'connect') throw error
    const winner = await deps.store.read.workspaces.find(caller.org, name)
    if (winner === undefined) throw error
    return await connected(deps, caller, winner)
  }
}

async function connected(deps: Deps, caller: Caller, existing: WorkspaceRecord): Promise<WorkspaceRecord> {
  return existing.status === 'stopped' ? await resume(deps, caller, existing.id) : existing
}

function insertWorkspace(deps: Deps, caller: Caller, wish: WorkspaceWish): Promise<WorkspaceRecord> {
  const id = WorkspaceId.parse(newIdentifier('ws', caller.randomness))
  return deps.store.write(async (changes) => {
    // The id is the request's own: whoever comes again with the same key finds what the first time has made.
    const existing = await changes.workspaces.byId(id)
    if (existing !== undefined) return existing
    const record = newWorkspace(
      {
        id,
        org: caller.org,
        name: wish.name ?? null,
        createdBy: caller.user,
        labels: wish.labels,
        spec: specOf(wish, deps.settings.isolationMinDefault),
        idleTimeoutMs:
          wish.idleTimeoutMs === undefined ? deps.settings.idleTimeoutMsDefault : wish.idleTimeoutMs,
        parent: null,
        forkedFrom: null,
      },
      deps.clock.wallMs(),
    )
    await changes.workspaces.insert(record)
    const { name, labels } = record
    changes.emit(
      audited(caller, {
        type: 'workspace_create',
        at: record.createdAt,
        workspace: record,
        payload: { name, labels },
      }),
    )
    changes.emit(statusEvent(record, caller.actor))
    return record
  })
}

function specOf(wish: WorkspaceWish, isolationMinDefault: Isolation): SandboxSpec {
  const given = Object.fromEntries(
    Object.entries(wish.limits ?? {}).filter(([, value]) => value !== undefined),
  )
  return {
    ...SANDBOX_SPEC_DEFAULT,
    ...(wish.system ? { system: wish.system } : {}),
    ...(wish.runtime ? { runtime: wish.runtime } : {}),
    isolationMin: wish.isolationMin ?? isolationMinDefault,
    ...(wish.fsync ? { fsync: wish.fsync } : {}),
    limits: SandboxLimits.parse({ ...LIMITS_DEFAULT, ...given }),
    allowRoot: wish.allowRoot,
    allowDebug: wish.allowDebug,
    environment: wish.environment,
    packs: [...wish.packs],
    ...(wish.systemWrites ? { systemWrites: wish.systemWrites } : {}),
  }
}
