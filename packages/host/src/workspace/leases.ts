import type { Failure } from '@holdfast/base/failure'
import type { HeldLease } from '@holdfast/generations/index/generation-index'
import type { Lease } from '@holdfast/protocol/lease-calls'

/** The right to run one workspace on this host. Whoever asked for it gives it back with `release`. */
export interface ResidentLease {
  readonly held: HeldLease
  /** Nothing may run later than this instant of CLOCK_BOOTTIME. */
  readonly deadlineBootMs: number
  /** Resolves when the right has ended without `release`, and why. */
  readonly lost: Promise<Failure>
  /** Told of each later deadline. */
  onExtended(listener: (deadlineBootMs: number) => void): void
  /**
   * Gives it back; with a successor it is that host's from then on, under the epoch that the answer names. Rejects with
   * `lease-lost`, or with `index-unavailable` and the like when nobody knows: asked again, unchanged, it tells.
   */
  release(successor: Successor | null): Promise<Lease | null>
}

export interface Successor {
  readonly host: string
  readonly ttlMs: number
}

/** Where the rights to run workspaces come from. */
export interface Leases {
  /** Rejects with `lease-held` while another host has it. */
  acquire(workspace: string): Promise<ResidentLease>
  /** Takes over what was handed to this host. Rejects with `lease-lost` when it has run out. */
  adopt(
    workspace: string,
    handedOver: { readonly epoch: number; readonly ttlMs: number },
  ): Promise<ResidentLease>
}
