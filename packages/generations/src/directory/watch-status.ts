import type { FailureDetails } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import type { Consistency } from '@holdfast/protocol/generation'

/** A failure that a watch has met, as plain values. */
export interface MetFailure {
  readonly code: FailureCode
  readonly message: string
  readonly details: FailureDetails
  /** Milliseconds since 1970. */
  readonly metAt: number
}

/** How a drill of a watch ended. */
export interface WatchDrill {
  readonly generation: string
  readonly sequence: number
  /** Why the generation was not proven; null: it was, and is marked as verified. */
  readonly problem: string | null
  /** Milliseconds since 1970. */
  readonly drilledAt: number
}

/** What a watch has done beside its commits; null: not yet. Instants in milliseconds since 1970. */
export interface MaintenanceStatus {
  readonly lastCompactedAt: number | null
  /** Garbage was collected to the end, its grace included. */
  readonly lastCollectedAt: number | null
  readonly lastDrill: WatchDrill | null
  /** The newest of what failed and has not succeeded since: it is tried again. */
  readonly lastFailure: MetFailure | null
}

/** What a running watch says of itself. Times in milliseconds, instants in milliseconds since 1970. */
export interface WatchStatus {
  /** `failed`: nothing is committed any more, though the command may run on. */
  readonly state: 'watching' | 'stopping' | 'failed'
  readonly path: string
  readonly volume: 'live' | 'btrfs'
  readonly consistency: Consistency
  /** The newest generation; null and 0 before the first. */
  readonly head: string | null
  readonly sequence: number
  readonly lastCommittedAt: number | null
  /** At most about this much of the newest work is lost in a crash, as the watch goes now. */
  readonly rpoMs: number
  /** How old the newest state is that is known to be held by the history. */
  readonly lagMs: number
  /** True while something has run, or may have, since the last round. */
  readonly pending: boolean
  /** How long the writers stood still for the last capture, and for 95 % of the last 256. */
  readonly frozenMs: number
  readonly frozenMsP95: number
  /** How long the last round read the directory, all of it; 0 where the volume knew what had changed. */
  readonly scanMs: number
  /** Of the round that failed last; null once one has ended well. */
  readonly lastFailure: MetFailure | null
  readonly commandPid: number | null
  readonly maintenance: MaintenanceStatus
}

/** The value that `share` (0 to 1) of the values do not exceed; 0 of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
}
