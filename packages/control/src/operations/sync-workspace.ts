import { Failure } from '@holdfast/base/failure'
import type { GenerationSummary } from '@holdfast/protocol/host-calls'
import { requireKept } from '../domain/lost-run.ts'
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

/** Whose state is to be made durable. */
interface Wish {
  readonly workspace: string
  /** The run in which the caller has seen it; undefined: the present one. */
  readonly epoch: number | undefined
}

/**
 * Durable once it resolves: the present state is the head, and all that was there in the run of that epoch is part of
 * it. Rejects with `lease-lost` if that run has ended without its last commit.
 */
export async function syncWorkspace(deps: Deps, caller: Caller, wish: Wish): Promise<DurableState> {
  return await captured(deps, await keptBy(deps, caller, { wish, action: 'sync' }))
}

/** A state that its host holds: which generation it becomes is told by the host, once it is durable. */
export interface LocalState {
  readonly generation: null
  readonly takenAt: number
  readonly frozenMs: number
}

interface CheckpointWish extends Wish {
  readonly message: string
}

/** A generation with a message, that retention keeps. Rejects as `syncWorkspace`. */
export async function createCheckpoint(
  deps: Deps,
  caller: Caller,
  wish: CheckpointWish,
): Promise<DurableState> {
  const state = await takeCheckpoint(deps, caller, { ...wish, until: 'durable' })
  if (state.generation !== null) return state
  throw new Failure('internal', 'a host answered for a durable checkpoint before it was')
}

/** The same; `local`: its instant is fixed when it resolves. */
export async function takeCheckpoint(
  deps: Deps,
  caller: Caller,
  wish: CheckpointWish & { readonly until: 'local' | 'durable' },
): Promise<DurableState | LocalState> {
  const { message, until } = wish
  const record = await keptBy(deps, caller, { wish, action: 'checkpoint' })
  await deps.store.write(async (changes) => {
    const at = deps.clock.wallMs()
    changes.emit(
      audited(caller, { type: 'checkpoint_create', at, workspace: record, payload: { message, until } }),
    )
  })
  const link = await linkOf(deps, record)
  const state = await link.call(
    'checkpoint',
    { workspace: record.id, epoch: record.epoch, message, until },
    { timeoutMs: COMMIT_MS_MAX },
  )
  if (state.generation !== null) await noteCheckpoint(deps, caller, { workspace: record, state })
  return state
}

async function keptBy(
  deps: Deps,
  caller: Caller,
  { wish, action }: { readonly wish: Wish; readonly action: 'sync' | 'checkpoint' },
): Promise<WorkspaceRecord> {
  const record = await findWorkspace(deps, caller, wish.workspace)
  if (wish.epoch !== undefined) requireKept(record, wish.epoch)
  requireAction(record, action)
  return record
}

/** Commits what is there now; the host tells of the generation. */
export async function captured(deps: Deps, record: WorkspaceRecord): Promise<DurableState> {
  const link = await linkOf(deps, record)
  const state = await link.call(
    'sync',
    { workspace: record.id, epoch: record.epoch },
    { timeoutMs: COMMIT_MS_MAX },
  )
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
