import type { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import type { HostId } from '@holdfast/protocol/identifiers'
import type { RpcParsed, RpcResponse } from '@holdfast/protocol/rpc-table'
import { heardStatus } from '../domain/host.ts'
import { isLive, moved } from '../domain/transitions.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Changes } from '../ports/store.ts'
import type { Deps } from './context.ts'
import { recovered } from './recover-workspace.ts'
import { loseExecs } from './report-execs.ts'
import { statusEvent } from './tell-event.ts'

type Calls = typeof CONTROL_CALLS

/** A host agent has started: it takes workspaces from now on, and everything that it ran before is over. */
export async function registerHost(
  deps: Deps,
  request: RpcParsed<Calls, 'registerHost'>,
): Promise<RpcResponse<Calls, 'registerHost'>> {
  const { host: id, ...known } = request
  await deps.store.write(async (changes) => {
    const at = deps.clock.wallMs()
    const before = await changes.hosts.byId(id)
    const status = heardStatus(before)
    const isDraining = status === 'draining'
    await changes.hosts.put({ id, ...known, status, isDraining, lastSeenAt: at })
    for (const record of await changes.workspaces.onHost(id))
      await endOfRun(changes, record, { host: id, at })
  })
  return { heartbeatMs: deps.settings.heartbeatMs }
}

async function endOfRun(
  changes: Changes,
  seen: WorkspaceRecord,
  { host, at }: { readonly host: HostId; readonly at: number },
): Promise<void> {
  const record = await changes.workspaces.take(seen.id)
  if (record === undefined || record.host !== host || record.removedAt !== null) return
  if (isLive(record.status)) {
    const next = await recovered(changes, record, { at, isHostLost: false })
    await changes.workspaces.save(next)
    changes.emit(statusEvent(next))
  } else if (record.status === 'stopping') {
    await loseExecs(changes, record, { reason: 'node_lost', at })
    const snapshotError = 'node_lost: the host agent started again before the last commit'
    const stopped = { ...moved(record, { to: 'stopped', at, reason: 'node_lost' }), snapshotError }
    await changes.workspaces.save({ ...stopped, host: null, seedHost: host, sandbox: null })
    changes.emit(statusEvent(stopped))
  }
}
