import { Failure } from '@holdfast/base/failure'
import type { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import type { WorkspaceFacts } from '@holdfast/protocol/host-calls'
import type { HostId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { RpcParsed, RpcResponse } from '@holdfast/protocol/rpc-table'
import { heardStatus } from '../domain/host.ts'
import { judgeReport } from '../domain/judge-report.ts'
import { isLive } from '../domain/transitions.ts'
import { type WorkspaceRecord, withFacts } from '../domain/workspace.ts'
import type { Changes } from '../ports/store.ts'
import type { Deps } from './context.ts'
import { recovered } from './recover-workspace.ts'
import { loseExecs } from './report-execs.ts'
import { happened, statusEvent } from './tell-event.ts'

type Calls = typeof CONTROL_CALLS

interface Report {
  readonly host: HostId
  readonly at: number
  readonly graceMs: number
}

/** A host says what runs there; it hears what should not. */
export async function reportHost(
  deps: Deps,
  request: RpcParsed<Calls, 'reportHost'>,
): Promise<RpcResponse<Calls, 'reportHost'>> {
  const { host, capacity, workspaces } = request
  return await deps.store.write(async (changes) => {
    const report = { host, at: deps.clock.wallMs(), graceMs: 2 * deps.settings.heartbeatMs }
    const known = await changes.hosts.byId(host)
    // Its agent registers again; until then nothing that it says has a place.
    if (known === undefined) throw new Failure('not-found', `no host ${host} has registered`)
    await changes.hosts.put({ ...known, capacity, status: heardStatus(known), lastSeenAt: report.at })
    const unwanted: WorkspaceId[] = []
    for (const facts of workspaces) if (!(await heed(changes, facts, report))) unwanted.push(facts.workspace)
    await missMissing(changes, new Set(workspaces.map(({ workspace }) => workspace)), report)
    return { unwanted }
  })
}

/** False: it should not run there. */
async function heed(changes: Changes, facts: WorkspaceFacts, { host, at }: Report): Promise<boolean> {
  const seen = await changes.workspaces.byId(facts.workspace)
  const verdict = seen?.removedAt ? 'unwanted' : judgeReport(seen, host, facts)
  if (verdict === 'unwanted') return false
  if (verdict === 'leave') return true
  const record = await changes.workspaces.take(facts.workspace)
  if (record === undefined) return false
  const next =
    verdict === 'adopt' ? await adopted(changes, record, { host, at, facts }) : withFacts(record, facts)
  await changes.facts.put({ host, at, facts })
  if (isNews(record, next)) await changes.workspaces.save(next)
  return true
}

function isNews(record: WorkspaceRecord, next: WorkspaceRecord): boolean {
  return (
    next.host !== record.host ||
    next.epoch !== record.epoch ||
    next.head !== record.head ||
    next.lastDurableAt !== record.lastDurableAt
  )
}

async function adopted(
  changes: Changes,
  record: WorkspaceRecord,
  { host, at, facts }: { readonly host: HostId; readonly at: number; readonly facts: WorkspaceFacts },
): Promise<WorkspaceRecord> {
  await loseExecs(changes, record, { reason: 'handoff', at, belowEpoch: facts.epoch })
  changes.emit(
    happened(record, {
      type: 'handoff_end',
      at,
      payload: { host_id: host, epoch: facts.epoch, found: true },
    }),
  )
  return { ...withFacts(record, facts), host, seedHost: host, updatedAt: at }
}

/** What the host has run and does not name any more has ended without a word: it is brought back from the head. */
async function missMissing(changes: Changes, named: ReadonlySet<WorkspaceId>, report: Report): Promise<void> {
  const { host, at, graceMs } = report
  for (const seen of await changes.workspaces.onHost(host)) {
    const isSettled = isLive(seen.status) && seen.removedAt === null && Math.abs(at - seen.movedAt) > graceMs
    if (named.has(seen.id) || !isSettled) continue
    const record = await changes.workspaces.take(seen.id)
    if (record?.host !== host || !isLive(record.status)) continue
    const next = await recovered(changes, record, { at, isHostLost: false })
    await changes.workspaces.save(next)
    changes.emit(statusEvent(next))
  }
}
