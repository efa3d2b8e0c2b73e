import { z } from 'zod'
import { Epoch, HostId, OrgId, WorkspaceId } from './identifiers.ts'
import type { RpcTable } from './rpc-table.ts'

export const LEASE_TTL_MS = 15_000
export const LEASE_RENEW_MS = 5_000
/** Between the instant at which a host has killed everything and the one at which somebody else may begin. */
export const LEASE_MARGIN_MS = 3_000

const TtlMs = z.int().min(1).max(3_600_000)

/** A lease as its holder sees it. The time counts from the moment at which the request was sent. */
export const Lease = z.strictObject({
  org: OrgId,
  workspace: WorkspaceId,
  host: HostId,
  epoch: Epoch,
  ttlMs: z.int(),
})
export type Lease = z.infer<typeof Lease>

/** Who holds a workspace, by the database's clock. */
export const LeaseState = z.strictObject({
  workspace: WorkspaceId,
  epoch: Epoch,
  /** Null: nobody. */
  host: HostId.nullable(),
  /** Until it runs out; at most 0 once it has, and then `host` is who held it last. */
  remainingMs: z.number(),
  head: z.string().nullable(),
})
export type LeaseState = z.infer<typeof LeaseState>

/**
 * Leases, beside the calls of the history (`history-calls.ts`), which the same role answers. TTLs run by the database's
 * clock; a holder counts on its own boot clock from the moment of sending.
 */
export const LEASE_CALLS = {
  /**
   * Takes the epoch after the one that the caller has seen. Refused with `lease-held` (details: host, epoch,
   * remainingMs) while another host's lease runs; the holder itself gets a new epoch. Asking again with the same `nonce`
   * gives the same lease again while it runs, and lets it run for `ttlMs` from then. Once the epoch is another one, it is
   * refused with `lease-lost`: a request that was held up ends no run that began since.
   */
  acquireLease: {
    request: z.strictObject({
      workspace: WorkspaceId,
      host: HostId,
      ttlMs: TtlMs,
      nonce: z.string().max(64),
      afterEpoch: Epoch,
    }),
    response: Lease,
  },
  /**
   * Renews what still is the caller's; the others are named in `lost`, and so is a lease that has run out, though
   * nobody took it. One transaction for all.
   */
  renewLeases: {
    request: z.strictObject({
      host: HostId,
      ttlMs: TtlMs,
      leases: z.array(z.strictObject({ workspace: WorkspaceId, epoch: Epoch })).max(10_000),
    }),
    response: z.strictObject({ lost: z.array(WorkspaceId) }),
  },
  /**
   * Ends a lease: nothing is committed under its epoch from then on. With a successor, one transaction makes that
   * host the holder under the next epoch; it renews before it relies on it, since nobody counts on two clocks. Refused
   * with `lease-lost` when the epoch is not the caller's any more; releasing again is no error.
   */
  releaseLease: {
    request: z.strictObject({
      workspace: WorkspaceId,
      host: HostId,
      epoch: Epoch,
      successor: z.strictObject({ host: HostId, ttlMs: TtlMs }).nullable(),
    }),
    response: z.strictObject({ successor: Lease.nullable() }),
  },
  /** Those that are not known are left out. */
  leaseStates: {
    request: z.strictObject({ workspaces: z.array(WorkspaceId).max(10_000) }),
    response: z.strictObject({ states: z.array(LeaseState) }),
  },
} as const satisfies RpcTable
