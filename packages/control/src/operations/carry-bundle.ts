import type { Readable } from 'node:stream'
import { Failure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import { BundleImported, HOST_STREAMS } from '@holdfast/protocol/host-streams'
import { WorkspaceId } from '@holdfast/protocol/identifiers'
import { SANDBOX_SPEC_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import { newWorkspace, type WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { findGeneration } from './find-generation.ts'
import { findWorkspace } from './find-workspace.ts'
import { askReaders, oneReader } from './reader-hosts.ts'
import { audited, happened, statusEvent } from './tell-event.ts'

/** A bundle is complete on its host before its first byte is sent, and read to its end before it is answered. */
const BUNDLE_MS_MAX = 60 * 60_000

/** Every generation that is retained, or one, as one verified file; the caller reads or destroys its bytes. */
export async function exportWorkspace(
  deps: Deps,
  caller: Caller,
  wish: {
    readonly workspace: string
    readonly generation: string | undefined
    readonly signal: AbortSignal
  },
) {
  const record = await findWorkspace(deps, caller, wish.workspace)
  const one = wish.generation === undefined ? undefined : await findGeneration(deps, record, wish.generation)
  const payload = { generation: one?.id ?? null }
  await deps.store.write(async (changes) => {
    const at = deps.clock.wallMs()
    changes.emit(audited(caller, { type: 'workspace_export', at, workspace: record, payload }))
  })
  const query = {
    ...{ workspace: record.id, org: record.org },
    ...(one === undefined ? {} : { generation: one.id }),
  }
  const { signal } = wish
  return await askReaders(deps, record, (link) =>
    link.stream({
      ...{ method: 'GET', path: HOST_STREAMS.bundle, query, signal },
      headersTimeoutMs: BUNDLE_MS_MAX,
    }),
  )
}

export interface ImportWish {
  readonly name: string | undefined
  readonly bundle: Readable
  readonly signal: AbortSignal
}

/**
 * Makes a stopped workspace of a bundle. It is there once all of it is: what fails before leaves nothing but a history
 * that nobody names. Rejects with `already-exists`, and as the import does.
 */
export async function importWorkspace(
  deps: Deps,
  caller: Caller,
  { name, bundle, signal }: ImportWish,
): Promise<WorkspaceRecord> {
  const id = WorkspaceId.parse(newIdentifier('ws', caller.randomness))
  if (name !== undefined && (await deps.store.read.workspaces.find(caller.org, name)))
    throw new Failure('already-exists', `there is a workspace ${name} already`, { name })
  const link = await oneReader(deps, { host: null, seedHost: null })
  await deps.store.write(async (changes) => {
    const payload = { workspace: id, name: name ?? null }
    changes.emit(audited(caller, { type: 'workspace_import', at: deps.clock.wallMs(), payload }))
  })
  await deps.histories.create({ org: caller.org, workspace: id, forkedFrom: null })
  const answer = await link.stream({
    ...{ method: 'PUT', path: HOST_STREAMS.bundle, query: { workspace: id, org: caller.org } },
    ...{ body: bundle, signal, headersTimeoutMs: BUNDLE_MS_MAX },
  })
  const { head } = BundleImported.parse(await answer.body.json())
  return await insertImported(deps, caller, { id, name, head })
}

async function insertImported(
  deps: Deps,
  caller: Caller,
  {
    id,
    name,
    head,
  }: { readonly id: WorkspaceId; readonly name: string | undefined } & Pick<BundleImported, 'head'>,
): Promise<WorkspaceRecord> {
  const at = deps.clock.wallMs()
  const seed = {
    ...{ id, org: caller.org, name: name ?? null, createdBy: caller.user, labels: {} },
    ...{ spec: SANDBOX_SPEC_DEFAULT, idleTimeoutMs: deps.settings.idleTimeoutMsDefault },
    ...{ parent: null, forkedFrom: null },
  }
  const { sequence, cause, message, createdAt } = head
  const record: WorkspaceRecord = {
    ...newWorkspace(seed, at),
    ...{ status: 'stopped', reason: 'import', pending: null, dueAt: null, hasHistory: true },
    ...{ head: head.id, snapshot: head.id, sequence, epoch: head.epoch, lastDurableAt: createdAt },
  }
  await deps.store.write(async (changes) => {
    await changes.workspaces.insert(record)
    changes.emit(statusEvent(record, caller.actor))
    const payload = { generation: head.id, sequence, cause, message }
    changes.emit(happened(record, { type: 'generation_committed', at, actor: caller.actor, payload }))
  })
  return record
}
