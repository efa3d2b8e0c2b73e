import type { Failure } from '@holdfast/base/failure'
import type { HeldLease } from '@holdfast/generations/index/generation-index'
import type { HostId } from '@holdfast/protocol/identifiers'
import type { Lease } from '@holdfast/protocol/lease-calls'

/** The right to run one workspace on this host. Whoever asked for it gives it back with `release`. */
export interface ResidentLease {
  readonly held: HeldLease
  /** Nothing may run later than this instant of CLOCK_BOOTTIME. */
  readonly deadlineBootMs: number
  /** Until the deadline; 0 once it has passed, or the right has ended. */
  readonly remainingMs: number
  /** Resolves when the right has ended without `release`, and why. */
  readonly lost: Promise<Failure>
  /** Resolves when it is known to be current now: nothing that was frozen for long goes on without. Rejects otherwise. */
  prove(): Promise<void>
  /** Told of each later deadline. */
  onExtended(listener: (deadlineBootMs: number) => void): void
  /**
   * Gives it back; with a successor it is that host's from then on, under the epoch that the answer names. Rejects with
   * `lease-lost` when it had ended, or ended before an answer came; after another failure it is still held.
   */
  release(successor: HostId | null): Promise<Lease | null>
}

/** Where the rights to run workspaces come from. */
export interface Leases {
  /** Rejects with `lease-held` while another host has it. */
  acquire(workspace: string): Promise<ResidentLease>
  /** Takes over what was handed to this host. Rejects with `lease-lost` when it has run out. */
  adopt(lease: HeldLease): Promise<ResidentLease>
}
