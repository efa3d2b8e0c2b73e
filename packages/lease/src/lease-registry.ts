import type { LEASE_CALLS, Lease, LeaseState } from '@holdfast/protocol/lease-calls'
import type { RpcParsed } from '@holdfast/protocol/rpc-table'

type Calls = typeof LEASE_CALLS
export type AcquireRequest = RpcParsed<Calls, 'acquireLease'>
export type RenewRequest = RpcParsed<Calls, 'renewLeases'>
export type ReleaseRequest = RpcParsed<Calls, 'releaseLease'>

/**
 * Who may write a workspace, and until when by the database's clock. It shares the database with the history: giving
 * a lease out and taking the next epoch are one transaction. What each method promises is said in `LEASE_CALLS`; all
 * reject with `index-unavailable` when the database does not answer, and may then be asked again, unchanged.
 */
export interface LeaseRegistry extends AsyncDisposable {
  /** Rejects with `lease-held`, with `lease-lost` for a request of the past, and with `not-found` for a workspace without a history. */
  acquireLease(request: AcquireRequest): Promise<Lease>
  renewLeases(request: RenewRequest): Promise<{ lost: RenewRequest['leases'][number]['workspace'][] }>
  /** Rejects with `lease-lost`, and with `not-found` for a workspace without a history. */
  releaseLease(request: ReleaseRequest): Promise<{ successor: Lease | null }>
  leaseStates(request: RpcParsed<Calls, 'leaseStates'>): Promise<{ states: LeaseState[] }>
}
