import type { FromWire } from '@holdfast/protocol/rest/wire-case'
import type { UpdateWorkspace } from '@holdfast/protocol/rest/workspace'
import type { PackSpec, SandboxContent, SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import type { z } from 'zod'
import { isPinned } from '../domain/content.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace, takeWorkspace } from './find-workspace.ts'
import { askReaders } from './reader-hosts.ts'
import { audited } from './tell-event.ts'

export type WorkspaceUpdate = FromWire<z.output<typeof UpdateWorkspace>>

/**
 * Changes what may be changed at any time. Rejects with `already-exists` for a name that is taken; where packs are named
 * by tags, as `pinContent`, and with `no-host`.
 */
export async function updateWorkspace(
  deps: Deps,
  caller: Caller,
  wish: { readonly workspace: string; readonly update: WorkspaceUpdate },
): Promise<WorkspaceRecord> {
  const found = await findWorkspace(deps, caller, wish.workspace)
  const { id } = found
  const { name, labels, idleTimeoutMs } = wish.update
  const packs = wish.update.packs && (await pinnedPacks(deps, found, [...wish.update.packs]))
  return await deps.store.write(async (changes) => {
    const record = await takeWorkspace(changes, id)
    const at = deps.clock.wallMs()
    const next = {
      ...record,
      ...(name === undefined ? {} : { name }),
      ...(labels === undefined ? {} : { labels }),
      ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
      ...(packs === undefined ? {} : { spec: { ...record.spec, packs } }),
      updatedAt: at,
    }
    await changes.workspaces.save(next)
    changes.emit(
      audited(caller, { type: 'workspace_update', at, workspace: record, payload: { ...wish.update } }),
    )
    return next
  })
}

/** Here and now, so that who names what does not exist is told, and not the next start. */
async function pinnedPacks(
  deps: Deps,
  record: WorkspaceRecord,
  packs: PackSpec[],
): Promise<SandboxSpec['packs']> {
  const content: SandboxContent = { system: { kind: 'machine' }, packs }
  if (isPinned(content)) return packs
  return (await askReaders(deps, record, (link) => link.call('pinContent', content))).packs
}
