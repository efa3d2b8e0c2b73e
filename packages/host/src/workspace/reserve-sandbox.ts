import { newIdentifier } from '@holdfast/base/identifier'
import type { Randomness } from '@holdfast/base/randomness'
import { Reservation } from '@holdfast/sandbox/pool/reservation'
import type { Wanted, WarmPool } from '@holdfast/sandbox/pool/warm-pool'

export interface ReserveDeps {
  readonly randomness: Randomness
  /** Absent: every sandbox is started when its volume is there. */
  readonly warm?: Pick<WarmPool, 'reserve'>
}

/** The sandbox of a workspace that is about to run. */
export function reserveSandbox({ randomness, warm }: ReserveDeps, wanted: Wanted): Reservation {
  if (warm) return warm.reserve(wanted)
  const id = newIdentifier('sb', randomness).replace('_', '-')
  return Reservation.ofNone(id, (request) => wanted.runtime.start(request))
}
