import type { Clock } from '@holdfast/base/clock'
import type { Randomness } from '@holdfast/base/randomness'
import type { Logger } from 'pino'

/** What every role stands on. */
export interface RoleGround {
  readonly clock: Clock
  readonly randomness: Randomness
  readonly log: Logger
  /** Aborted when the role is to end, were it before it has begun. */
  readonly ending: AbortSignal
}
