import { Failure, isFailure } from '@holdfast/base/failure'
import type { CloseOutcome, WorkspaceFacts } from '@holdfast/protocol/host-calls'
import { isPinned, isSameContent } from '../domain/content.ts'
import { decideOpenFailure } from '../domain/decide-open-failure.ts'
import { decidePlacement } from '../domain/decide-placement.ts'
import type { HostRecord } from '../domain/host.ts'
import { withLostRun } from '../domain/lost-run.ts'
import { moved } from '../domain/transitions.ts'
import { type WorkspaceRecord, withFacts } from '../domain/workspace.ts'
import type { Deps } from '../operations/context.ts'
import { loseExecs } from '../operations/report-execs.ts'
import { happened } from '../operations/tell-event.ts'
import type { Changes } from '../ports/store.ts'
import { advance } from './advance.ts'

/** A restore of a large workspace from a slow store takes a while. */
const OPEN_MS_MAX = 15 * 60_000
const WAIT_FOR_ROOM_MS = 1_000

/** Brings a workspace that is `provisioning` to `idle`: history, host, content, sandbox. Each stage is written down before the next. */
export async function provision(deps: Deps, begun: WorkspaceRecord): Promise<void> {
  let record: WorkspaceRecord | undefined = begun
  try {
    if (!record.hasHistory) {
      await deps.histories.create({ org: record.org, workspace: record.id, forkedFrom: record.forkedFrom })
      record = await advance(deps, record, (current) => ({ ...current, hasHistory: true }))
    }
    const place = record && (await placed(deps, record))
    if (place === undefined) return
    record = await pinned(deps, place)
    if (record === undefined) return
    const facts = await opened(deps, record, place.host)
    if (facts) await becomeIdle(deps, record, facts)
  } catch (error) {
    await openFailed(deps, record ?? begun, asFailure(error))
  }
}

interface Place {
  readonly record: WorkspaceRecord
  readonly host: HostRecord
}

async function placed(deps: Deps, record: WorkspaceRecord): Promise<Place | undefined> {
  const { hosts, workspaces } = deps.store.read
  const chosen = record.host === null ? undefined : await hosts.byId(record.host)
  if (chosen) return { record, host: chosen }
  const { spec, seedHost, avoid } = record
  const [all, load] = [await hosts.list(), await workspaces.load()]
  const placement = decidePlacement({ spec, hosts: all, load, seedHost, avoid })
  if (placement.kind === 'impossible') throw new Failure('isolation-unavailable', placement.message)
  if (placement.kind === 'wait') {
    await advance(deps, record, (current) => ({
      ...current,
      reason: 'no-host',
      message: placement.message,
      dueAt: deps.clock.wallMs() + WAIT_FOR_ROOM_MS,
    }))
    return undefined
  }
  const { host } = placement
  const next = await advance(deps, record, (current) => ({ ...current, host: host.id }))
  return next && { record: next, host }
}

/**
 * What names mean is asked once, and written down before anything runs on it: every later opening, wherever it is, has the
 * same bytes. Undefined: the wish has changed meanwhile, and the next step begins with that.
 */
async function pinned(deps: Deps, { record, host }: Place): Promise<WorkspaceRecord | undefined> {
  const { spec } = record
  if (isPinned(spec)) return record
  const content = { system: spec.system, packs: spec.packs }
  const answer = await deps.links.to(host.address).call('pinContent', content)
  const next = await advance(deps, record, (current) =>
    isSameContent(current.spec, spec) ? { ...current, spec: { ...current.spec, ...answer } } : current,
  )
  return next && isPinned(next.spec) ? next : undefined
}

/** Undefined: what was asked for first is done, or undone, and the next step goes on from there. */
async function opened(
  deps: Deps,
  record: WorkspaceRecord,
  host: HostRecord,
): Promise<WorkspaceFacts | undefined> {
  const { pending } = record
  if (pending?.kind === 'restart') return await closedForRestart(deps, record, host)
  const rollBackTo = pending?.kind === 'roll-back' ? pending.generation : null
  const link = deps.links.to(host.address)
  if (rollBackTo !== null && (await isRunning(deps, record, host))) {
    const call = { workspace: record.id, generation: rollBackTo }
    return (await link.call('rollBack', call, { timeoutMs: OPEN_MS_MAX })).facts
  }
  const services = await deps.store.read.services.list(record.id)
  return await link.call(
    'openWorkspace',
    {
      workspace: record.id,
      org: record.org,
      spec: record.spec,
      services: [...services],
      handedOver: null,
      rollBackTo,
    },
    { timeoutMs: OPEN_MS_MAX },
  )
}

async function isRunning(deps: Deps, record: WorkspaceRecord, host: HostRecord): Promise<boolean> {
  try {
    const facts = await deps.links.to(host.address).call('workspaceFacts', { workspace: record.id })
    return facts.state === 'running'
  } catch (error) {
    if (isFailure(error, 'not-found', 'sandbox-gone')) return false
    throw error
  }
}

async function closedForRestart(deps: Deps, record: WorkspaceRecord, host: HostRecord): Promise<undefined> {
  const outcome = await closed(deps, record, host)
  const isUndone = outcome?.kind === 'not-saved' && outcome.sandbox === 'alive'
  const snapshotError =
    outcome?.kind === 'not-saved' ? `${outcome.failure.code}: ${outcome.failure.message}` : null
  await advance(deps, record, async (current, changes) => {
    if (isUndone)
      return {
        ...moved(current, { to: 'idle', at: deps.clock.wallMs(), reason: 'not-saved' }),
        snapshotError,
      }
    await loseExecs(changes, current, { reason: 'restart', at: deps.clock.wallMs() })
    const saved = outcome?.kind === 'saved' ? current : withLostRun(current)
    return { ...saved, pending: { kind: 'open' }, snapshotError, dueAt: deps.clock.wallMs() }
  })
}

async function closed(
  deps: Deps,
  record: WorkspaceRecord,
  host: HostRecord,
): Promise<CloseOutcome | undefined> {
  const request = { workspace: record.id, cause: 'restart', drainMs: 0, force: false } as const
  try {
    return await deps.links.to(host.address).call('closeWorkspace', request, { timeoutMs: OPEN_MS_MAX })
  } catch (error) {
    if (isFailure(error, 'not-found', 'sandbox-gone')) return undefined
    throw error
  }
}

/** Commands of earlier incarnations have ended; why, is known by what was pending. */
async function becomeIdle(deps: Deps, record: WorkspaceRecord, facts: WorkspaceFacts): Promise<void> {
  await advance(deps, record, async (current, changes) => {
    const at = deps.clock.wallMs()
    const reason = current.pending?.kind === 'roll-back' ? 'rollback' : 'node_lost'
    await loseExecs(changes, current, { reason, at, belowEpoch: facts.epoch })
    if (reason === 'rollback') await loseExecs(changes, current, { reason, at })
    if (current.host !== null) await changes.facts.put({ host: current.host, at, facts })
    tellOpening(changes, current, { facts, at })
    const next = withFacts(moved(current, { to: 'idle', at }), facts)
    return { ...next, seedHost: current.host }
  })
}

function tellOpening(
  changes: Changes,
  record: WorkspaceRecord,
  { facts, at }: { readonly facts: WorkspaceFacts; readonly at: number },
): void {
  const { pending, host } = record
  const { sandbox, epoch, head } = facts
  const payload = {
    host_id: host,
    epoch,
    start: sandbox?.start,
    runtime: sandbox?.runtime,
    took_ms: at - record.movedAt,
  }
  changes.emit(happened(record, { type: 'sandbox_claimed', at, payload }))
  if (pending?.kind === 'roll-back')
    changes.emit(
      happened(record, { type: 'rollback', at, payload: { to: pending.generation, generation: head } }),
    )
}

async function openFailed(deps: Deps, record: WorkspaceRecord, failure: Failure): Promise<void> {
  const holder = await leaseHolder(deps, failure)
  await advance(deps, record, (current) => {
    const at = deps.clock.wallMs()
    const attempts = current.attempts + 1
    const decision = decideOpenFailure(failure, attempts)
    const said = { reason: failure.code, message: failure.message }
    // The host is kept: a sandbox may be half there, and leaving `failed` goes through closing it.
    if (decision.kind === 'fail') return moved(current, { to: 'failed', at, ...said })
    const isElsewhere = decision.elsewhere && current.pending?.kind !== 'restart'
    return {
      ...current,
      ...said,
      attempts,
      updatedAt: at,
      dueAt: at + decision.delayMs,
      host: isElsewhere ? null : (holder ?? current.host),
      avoid:
        isElsewhere && current.host !== null ? [...new Set([...current.avoid, current.host])] : current.avoid,
    }
  })
}

/** A host that holds the lease although it was not asked last has not heard, or not told, how an earlier opening went. */
async function leaseHolder(deps: Deps, failure: Failure): Promise<HostRecord['id'] | undefined> {
  if (failure.code !== 'lease-held') return undefined
  const hosts = await deps.store.read.hosts.list()
  return hosts.find(({ id, status }) => id === failure.details.host && status === 'ready')?.id
}

function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  return new Failure('internal', error instanceof Error ? error.message : String(error), {}, error)
}
