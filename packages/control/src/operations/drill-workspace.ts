import { Failure } from '@holdfast/base/failure'
import type { HostRecord } from '../domain/host.ts'
import type { DrillRecord, WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace } from './find-workspace.ts'
import { audited, happened } from './tell-event.ts'

const DRILL_MS_MAX = 15 * 60_000

/** Restores the head for real on a host, has it checked, and keeps the outcome. In every status. */
export async function drillWorkspace(deps: Deps, caller: Caller, name: string): Promise<DrillRecord> {
  const record = await findWorkspace(deps, caller, name)
  const host = await drillHost(deps, record)
  await deps.store.write(async (changes) => {
    changes.emit(audited(caller, { type: 'workspace_drill', at: deps.clock.wallMs(), workspace: record }))
  })
  const answer = await deps.links
    .to(host.address)
    .call('drill', { workspace: record.id, org: record.org, generation: null }, { timeoutMs: DRILL_MS_MAX })
  const drill = { ...answer, workspace: record.id, at: deps.clock.wallMs() }
  await deps.store.write(async (changes) => {
    await changes.drills.insert(record.org, drill)
    const current = await changes.workspaces.take(record.id)
    if (current) await changes.workspaces.save({ ...current, lastDrill: drill })
    const { generation, outcome, detail, tookMs, at } = drill
    const payload = { generation, outcome, detail, took_ms: tookMs }
    changes.emit(happened(record, { type: 'drill_result', at, actor: caller.actor, payload }))
  })
  return drill
}

/** Its own host, or any that is ready. */
async function drillHost(deps: Deps, record: WorkspaceRecord): Promise<HostRecord> {
  const ready = (await deps.store.read.hosts.list()).filter(({ status }) => status !== 'lost')
  const host = ready.find(({ id }) => id === (record.host ?? record.seedHost)) ?? ready[0]
  if (host === undefined) throw new Failure('no-host', 'no host is there to restore on')
  return host
}
