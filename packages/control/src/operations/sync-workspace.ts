import type { GenerationSummary } from '@holdfast/protocol/host-calls'
import { requireAction } from '../domain/transitions.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Changes } from '../ports/store.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace, linkOf } from './find-workspace.ts'
import { audited, happened } from './tell-event.ts'

/** A commit of a large workspace to a slow store takes a while. */
const COMMIT_MS_MAX = 10 * 60_000

export interface DurableState {
  readonly generation: GenerationSummary
  readonly isNew: boolean
  readonly frozenMs: number
}

/** Durable once it resolves: the present state is the head. */
export async function syncWorkspace(deps: Deps, caller: Caller, name: string): Promise<DurableState> {
  const record = await findWorkspace(deps, caller, name)
  requireAction(record, 'sync')
  return await captured(deps, record)
}

/** A generation with a message, that retention keeps. */
export async function createCheckpoint(
  deps: Deps,
  caller: Caller,
  wish: { readonly workspace: string; readonly message: string; readonly until: 'local' | 'durable' },
): Promise<DurableState> {
  const { message, until } = wish
  const record = await findWorkspace(deps, caller, wish.workspace)
  requireAction(record, 'checkpoint')
  await deps.store.write(async (changes) => {
    const at = deps.clock.wallMs()
    changes.emit(
      audited(caller, { type: 'checkpoint_create', at, workspace: record, payload: { message, until } }),
    )
  })
  const link = await linkOf(deps, record)
  const state = await link.call(
    'checkpoint',
    { workspace: record.id, message, until },
    { timeoutMs: COMMIT_MS_MAX },
  )
  await noteCheckpoint(deps, caller, { workspace: record, state })
  return state
}

/** Commits what is there now; the host tells of the generation. */
export async function captured(deps: Deps, record: WorkspaceRecord): Promise<DurableState> {
  const link = await linkOf(deps, record)
  const state = await link.call('sync', { workspace: record.id }, { timeoutMs: COMMIT_MS_MAX })
  // One that was committed meanwhile is the head too, and who asks for the workspace next sees it.
  await deps.store.write(async (changes) => void (await noteHead(changes, record, state)))
  return state
}

/** The record with a head that its host tells; undefined for one that was removed. */
async function noteHead(
  changes: Changes,
  { id }: WorkspaceRecord,
  { generation }: DurableState,
): Promise<WorkspaceRecord | undefined> {
  const record = await changes.workspaces.take(id)
  if (record === undefined || generation.sequence < record.sequence) return record
  const lastDurableAt = Math.max(record.lastDurableAt ?? 0, generation.createdAt)
  const next = { ...record, head: generation.id, sequence: generation.sequence, lastDurableAt }
  await changes.workspaces.save(next)
  return next
}

async function noteCheckpoint(
  deps: Deps,
  caller: Caller,
  { workspace, state }: { readonly workspace: WorkspaceRecord; readonly state: DurableState },
): Promise<void> {
  const { id: generation, sequence, cause, message } = state.generation
  await deps.store.write(async (changes) => {
    const record = await noteHead(changes, workspace, state)
    if (record === undefined) return
    const payload = { generation, sequence, cause, message }
    const at = deps.clock.wallMs()
    changes.emit(happened(record, { type: 'checkpoint_created', at, actor: caller.actor, payload }))
  })
}
