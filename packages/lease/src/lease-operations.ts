import { Failure } from '@holdfast/base/failure'
import {
  all,
  IS_LISTED,
  type Operation,
  one,
  run,
  type SqlRow,
} from '@holdfast/generations/index/sql-operation'
import { integerOf, textOf, textOrNullOf } from '@holdfast/generations/index/sql-rows'
import { HostId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { Lease, LeaseState } from '@holdfast/protocol/lease-calls'
import type { DatabaseInstant } from './database-clock.ts'
import {
  decideAcquire,
  decideRelease,
  holderOf,
  isHeldBy,
  type LeasedWorkspace,
  remainingMs,
} from './lease-decision.ts'
import type { AcquireRequest, ReleaseRequest, RenewRequest } from './lease-registry.ts'

/** Reads the clock inside the transaction, after whatever it waited for. */
export type ReadClock = () => Operation<DatabaseInstant>

const LEASED = `
  SELECT w.id, w.org, w.epoch, w.head, l.workspace AS given, l.host, l.epoch AS given_epoch, l.nonce, l.given_by, l.boot,
    l.ttl_ms, l.expires_at
  FROM workspaces w LEFT JOIN leases l ON l.workspace = w.id`

/** Parses a row of `LEASED`; rejects what it does not know with `history-corrupt`. */
function leasedOf(row: SqlRow): LeasedWorkspace {
  const given = {
    host: textOrNullOf(row, 'host'),
    epoch: row.given === null ? 0 : integerOf(row, 'given_epoch'),
    nonce: textOrNullOf(row, 'nonce'),
    givenBy: textOrNullOf(row, 'given_by'),
    boot: textOrNullOf(row, 'boot') ?? '',
    ttlMs: row.given === null ? 0 : integerOf(row, 'ttl_ms'),
    expiresAt: row.given === null ? 0 : integerOf(row, 'expires_at'),
  }
  return {
    workspace: textOf(row, 'id'),
    org: textOf(row, 'org'),
    epoch: integerOf(row, 'epoch'),
    head: textOrNullOf(row, 'head'),
    given: row.given === null ? null : given,
  }
}

function* leased(workspace: string): Operation<LeasedWorkspace> {
  const row = yield* one(`${LEASED} WHERE w.id = ?`, workspace)
  if (row === undefined) throw new Failure('not-found', `no such workspace: ${workspace}`, { workspace })
  return leasedOf(row)
}

function* leasedEach(workspaces: readonly string[]): Operation<readonly LeasedWorkspace[]> {
  const rows = yield* all(`${LEASED} WHERE w.id ${IS_LISTED} ORDER BY w.id`, workspaces)
  return rows.map(leasedOf)
}

/** The id of a row, for those who know it only as one of the protocol. */
function parsed<T>(schema: { safeParse(value: unknown): { success: boolean; data?: T } }, text: string): T {
  const { data } = schema.safeParse(text)
  if (data === undefined) throw new Failure('history-corrupt', `not an id of this version: ${text}`)
  return data
}

function leaseOf(row: LeasedWorkspace, given: { host: string; epoch: number; ttlMs: number }): Lease {
  const { epoch, ttlMs } = given
  const workspace = parsed(WorkspaceId, row.workspace)
  return { org: parsed(OrgId, row.org), workspace, host: parsed(HostId, given.host), epoch, ttlMs }
}

/** Makes `given` the lease of a workspace under its next epoch; returns that epoch. */
function* giveNext(
  row: LeasedWorkspace,
  given: { host: string | null; nonce: string | null; givenBy: string | null; ttlMs: number },
  now: DatabaseInstant,
): Operation<number> {
  const epoch = row.epoch + 1
  yield* run('UPDATE workspaces SET epoch = ? WHERE id = ?', epoch, row.workspace)
  yield* run(
    `INSERT INTO leases (workspace, host, epoch, nonce, given_by, boot, ttl_ms, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (workspace) DO UPDATE SET host = excluded.host, epoch = excluded.epoch, nonce = excluded.nonce,
       given_by = excluded.given_by, boot = excluded.boot, ttl_ms = excluded.ttl_ms, expires_at = excluded.expires_at`,
    row.workspace,
    given.host,
    epoch,
    given.nonce,
    given.givenBy,
    now.boot,
    given.ttlMs,
    now.ms + given.ttlMs,
  )
  return epoch
}

/** Lets leases run for `ttlMs` from now. One that runs longer stays: its holder may count on what it was told. */
function* extend(rows: readonly LeasedWorkspace[], ttlMs: number, now: DatabaseInstant): Operation<void> {
  const shorter = rows.filter((row) => row.given !== null && remainingMs(row.given, now) < ttlMs)
  if (shorter.length === 0) return
  yield* run(
    `UPDATE leases SET boot = ?, ttl_ms = ?, expires_at = ? WHERE workspace ${IS_LISTED}`,
    now.boot,
    ttlMs,
    now.ms + ttlMs,
    shorter.map((row) => row.workspace),
  )
}

export function* acquireLease(request: AcquireRequest, readClock: ReadClock): Operation<Lease> {
  const row = yield* leased(request.workspace)
  const now = yield* readClock()
  const decision = decideAcquire(row, request, now)
  const { host, nonce, ttlMs } = request
  switch (decision.step) {
    case 'refuse':
      throw decision.failure
    case 'repeat':
      yield* extend([row], ttlMs, now)
      return leaseOf(row, { host, epoch: row.epoch, ttlMs })
    case 'give':
      return leaseOf(row, {
        host,
        epoch: yield* giveNext(row, { host, nonce, givenBy: null, ttlMs }, now),
        ttlMs,
      })
  }
}

export function* renewLeases(
  request: RenewRequest,
  readClock: ReadClock,
): Operation<{ lost: WorkspaceId[] }> {
  const { host, ttlMs, leases } = request
  const rows = yield* leasedEach(leases.map(({ workspace }) => workspace))
  const byWorkspace = new Map(rows.map((row) => [row.workspace, row]))
  const now = yield* readClock()
  const kept: LeasedWorkspace[] = []
  const lost: WorkspaceId[] = []
  for (const { workspace, epoch } of leases) {
    const row = byWorkspace.get(workspace)
    if (row !== undefined && isHeldBy(row, { host, epoch }, now)) kept.push(row)
    else lost.push(workspace)
  }
  yield* extend(kept, ttlMs, now)
  return { lost }
}

export function* releaseLease(
  request: ReleaseRequest,
  readClock: ReadClock,
): Operation<{ successor: Lease | null }> {
  const row = yield* leased(request.workspace)
  const now = yield* readClock()
  const decision = decideRelease(row, request, now)
  if (decision.step === 'refuse') throw decision.failure
  const { host: givenBy, successor } = request
  if (decision.step !== 'already-done') {
    const given = { host: successor?.host ?? null, nonce: null, givenBy, ttlMs: successor?.ttlMs ?? 0 }
    yield* giveNext(row, given, now)
  }
  return { successor: successor && leaseOf(row, { ...successor, epoch: request.epoch + 1 }) }
}

export function* leaseStates(
  workspaces: readonly string[],
  readClock: ReadClock,
): Operation<{ states: LeaseState[] }> {
  const rows = yield* leasedEach(workspaces)
  const now = yield* readClock()
  return { states: rows.map((row) => stateOf(row, now)) }
}

function stateOf(row: LeasedWorkspace, now: DatabaseInstant): LeaseState {
  const holder = holderOf(row)
  return {
    workspace: parsed(WorkspaceId, row.workspace),
    epoch: row.epoch,
    host: holder === undefined ? null : parsed(HostId, holder.host),
    remainingMs: holder === undefined ? 0 : remainingMs(holder, now),
    head: row.head,
  }
}
