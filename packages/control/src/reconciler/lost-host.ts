import { isSilent } from '../domain/host.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Deps } from '../operations/context.ts'

/** Whether the host of a workspace is silent, and its lease has run out by the database's clock: nothing runs there. */
export async function hasLostItsHost(deps: Deps, record: WorkspaceRecord): Promise<boolean> {
  if (record.host === null) return true
  const host = await deps.store.read.hosts.byId(record.host)
  const { hostSilenceMs } = deps.settings
  if (host !== undefined && !isSilent(host, deps.clock.wallMs(), hostSilenceMs)) return false
  const [lease] = await deps.histories.leaseStates([record.id])
  return lease === undefined || lease.host === null || lease.remainingMs <= 0
}
