import { requireAction } from '../domain/transitions.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { HostLink } from '../ports/host-links.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace, linkOf, liveOrRefused } from './find-workspace.ts'
import { resume } from './resume-workspace.ts'
import { audited } from './tell-event.ts'

const RESUME_MS_MAX = 60_000

export interface FileReach {
  readonly record: WorkspaceRecord
  readonly link: HostLink
}

/** The host of a workspace whose files are to be read: one that is stopped is resumed, as for a command. */
export async function reachFiles(deps: Deps, caller: Caller, name: string): Promise<FileReach> {
  const found = await findWorkspace(deps, caller, name)
  if (found.status === 'stopped' || found.status === 'failed') requireAction(found, 'exec')
  const asked = found.status === 'stopped' ? await resume(deps, caller, found.id) : found
  const record = await liveOrRefused(deps, asked, RESUME_MS_MAX)
  return { record, link: await linkOf(deps, record) }
}

/** The same to change files: the audit row is durable before. */
export async function reachFilesToWrite(
  deps: Deps,
  caller: Caller,
  wish: {
    readonly workspace: string
    readonly action: string
    readonly payload: Readonly<Record<string, unknown>>
  },
): Promise<FileReach> {
  const reach = await reachFiles(deps, caller, wish.workspace)
  const { action: type, payload } = wish
  await deps.store.write(async (changes) => {
    changes.emit(audited(caller, { type, at: deps.clock.wallMs(), workspace: reach.record, payload }))
  })
  return reach
}
