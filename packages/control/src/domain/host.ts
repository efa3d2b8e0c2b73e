import type { HostCapacity } from '@holdfast/protocol/control-calls'
import type { HostId } from '@holdfast/protocol/identifiers'
import type { Isolation, RuntimeKind } from '@holdfast/protocol/sandbox-spec'
import type { z } from 'zod'

/** What control knows of a host. */
export interface HostRecord {
  readonly id: HostId
  readonly name: string
  readonly address: string
  readonly bootId: string
  readonly version: string
  readonly runtimes: readonly { readonly kind: RuntimeKind; readonly isolation: Isolation }[]
  readonly volume: 'btrfs' | 'live'
  readonly capacity: z.infer<typeof HostCapacity>
  readonly status: HostStatus
  /** Somebody drained it: that outlives every silence. Absent: nobody did. */
  readonly isDraining?: boolean
  readonly lastSeenAt: number
}

export type HostStatus = 'ready' | 'draining' | 'lost'

/**
 * Whether a host is to be taken for lost: silent for longer than `silenceMs`. What it ran is decided by leases alone. One
 * that was heard in the future was heard before a clock was set back: who lives is heard again within a heartbeat.
 */
export function isSilent(host: HostRecord, nowMs: number, silenceMs: number): boolean {
  return Math.abs(nowMs - host.lastSeenAt) > silenceMs
}

/** Nobody hears from it. */
export function lostHost(host: HostRecord): HostRecord {
  return { ...host, status: 'lost', isDraining: isDrained(host) }
}

export function drainedHost(host: HostRecord): HostRecord {
  return { ...host, status: 'draining', isDraining: true }
}

/** What a host is that is heard, of which `known` was known before: one that was drained takes nothing. */
export function heardStatus(known: HostRecord | undefined): 'ready' | 'draining' {
  return known !== undefined && isDrained(known) ? 'draining' : 'ready'
}

function isDrained({ status, isDraining }: HostRecord): boolean {
  return status === 'draining' || isDraining === true
}
