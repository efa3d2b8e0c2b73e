import type { GenerationSummary } from '@holdfast/protocol/host-calls'
import { requireAction } from '../domain/transitions.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
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
  await noteHead(deps, record, { ...state, type: 'checkpoint_created', actor: caller.actor })
  return state
}

/** Commits what is there now. */
export async function captured(deps: Deps, record: WorkspaceRecord): Promise<DurableState> {
  const link = await linkOf(deps, record)
  const state = await link.call('sync', { workspace: record.id }, { timeoutMs: COMMIT_MS_MAX })
  // One that was committed meanwhile is the head too, and who asks for the workspace next sees it.
  await noteHead(deps, record, {
    ...state,
    type: state.isNew ? 'generation_committed' : null,
    actor: 'control',
  })
  return state
}

async function noteHead(
  deps: Deps,
  { id }: WorkspaceRecord,
  said: { readonly generation: GenerationSummary; readonly type: string | null; readonly actor: string },
): Promise<void> {
  const { generation, type, actor } = said
  await deps.store.write(async (changes) => {
    const record = await changes.workspaces.take(id)
    if (record === undefined) return
    if (generation.sequence >= record.sequence)
      await changes.workspaces.save({
        ...record,
        head: generation.id,
        sequence: generation.sequence,
        lastDurableAt: Math.max(record.lastDurableAt ?? 0, generation.createdAt),
      })
    if (type === null) return
    const { sequence, cause, message } = generation
    changes.emit(
      happened(record, {
        type,
        at: deps.clock.wallMs(),
        actor,
        payload: { generation: generation.id, sequence, cause, message },
      }),
    )
  })
}
