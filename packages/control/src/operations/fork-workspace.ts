import { type Failure, isFailure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import { type GenerationId, WorkspaceId } from '@holdfast/protocol/identifiers'
import { decideForkSource } from '../domain/fork-rules.ts'
import { newWorkspace, type WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { findGeneration } from './find-generation.ts'
import { findWorkspace, settled } from './find-workspace.ts'
import { captured } from './sync-workspace.ts'
import { audited, happened, statusEvent } from './tell-event.ts'

export interface ForkWish {
  readonly workspace: string
  readonly at: string | undefined
  readonly name: string | undefined
  readonly count: number
  readonly labels: Readonly<Record<string, string>> | undefined
  /** Waits so long for each child to be ready. */
  readonly waitMs: number
}

export type ForkResult =
  | { readonly kind: 'forked'; readonly record: WorkspaceRecord; readonly tookMs: number }
  | { readonly kind: 'failed'; readonly failure: Failure }

/** Makes children that go on from one point of the parent's history, and are independent of it and of one another. */
export async function forkWorkspace(
  deps: Deps,
  caller: Caller,
  wish: ForkWish,
): Promise<readonly ForkResult[]> {
  const begunMs = deps.clock.monotonicMs()
  const parent = await findWorkspace(deps, caller, wish.workspace)
  const generation = await sourceOf(deps, parent, wish.at)
  // Ids come from the caller's randomness in their order, whatever becomes of each.
  const children = Array.from({ length: wish.count }, (_, index) => ({
    id: WorkspaceId.parse(newIdentifier('ws', caller.randomness)),
    name: childName(wish, index),
  }))
  return await Promise.all(
    children.map(async (child): Promise<ForkResult> => {
      try {
        const made = await insertChild(deps, caller, { parent, generation, child, labels: wish.labels })
        const record = wish.waitMs === 0 ? made : await settled(deps, made, wish.waitMs)
        return { kind: 'forked', record, tookMs: deps.clock.monotonicMs() - begunMs }
      } catch (error) {
        if (isFailure(error)) return { kind: 'failed', failure: error }
        throw error
      }
    }),
  )
}

async function sourceOf(
  deps: Deps,
  parent: WorkspaceRecord,
  at: string | undefined,
): Promise<GenerationId | null> {
  const named = at === undefined ? null : (await findGeneration(deps, parent, at)).id
  const source = decideForkSource(parent, named)
  switch (source.kind) {
    case 'capture':
      return (await captured(deps, parent)).generation.id
    case 'generation':
      return source.generation
    case 'empty':
      return null
  }
}

/** Names of several end in their number. */
function childName({ name, count }: ForkWish, index: number): string | null {
  if (name === undefined) return null
  return count === 1 ? name : `${name}-${index + 1}`
}

interface Child {
  readonly parent: WorkspaceRecord
  readonly generation: GenerationId | null
  readonly child: { readonly id: WorkspaceId; readonly name: string | null }
  readonly labels: Readonly<Record<string, string>> | undefined
}

function insertChild(
  deps: Deps,
  caller: Caller,
  { parent, generation, child, labels }: Child,
): Promise<WorkspaceRecord> {
  return deps.store.write(async (changes) => {
    const existing = await changes.workspaces.byId(child.id)
    if (existing !== undefined) return existing
    const at = deps.clock.wallMs()
    const fresh = newWorkspace(
      {
        ...{ ...child, org: caller.org, createdBy: caller.user, labels: labels ?? parent.labels },
        ...{
          spec: parent.spec,
          idleTimeoutMs: parent.idleTimeoutMs,
          parent: parent.id,
          forkedFrom: generation,
        },
      },
      at,
    )
    // Where the parent's volume is, a child begins from a local snapshot.
    const record = { ...fresh, seedHost: parent.host ?? parent.seedHost }
    await changes.workspaces.insert(record)
    for (const spec of await changes.services.list(parent.id)) await changes.services.put(record.id, spec)
    const payload = { child: record.id, name: record.name, generation }
    changes.emit(audited(caller, { type: 'workspace_fork', at, workspace: parent, payload }))
    changes.emit(happened(parent, { type: 'fork', at, actor: caller.actor, payload }))
    changes.emit(statusEvent(record, caller.actor))
    return record
  })
}
