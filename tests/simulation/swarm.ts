import type { Scheduler } from './scheduler.ts'

/** What goes wrong in one run, and how often: each seed draws its own few kinds. */
export interface Swarm {
  /** Chances for each message. */
  readonly drop: number
  readonly duplicate: number
  readonly late: number
  /** Chances for each put. */
  readonly putLost: number
  readonly putUnanswered: number
  readonly slowStore: number
  /** Chance that an agent dies within moments of giving a lease back. */
  readonly killAtRelease: number
  /** Mean time between faults of a kind, in ms; infinite where there are none. */
  readonly pauseEveryMs: number
  readonly killEveryMs: number
  readonly suspendEveryMs: number
  readonly rebootEveryMs: number
  readonly partitionEveryMs: number
  readonly databaseEveryMs: number
  readonly storeEveryMs: number
  readonly sandboxEveryMs: number
  /**
   * How fast the hosts' clocks go. `close`: within what TTL and margin allow for, 0.85 to 1.2. `far`: 0.5 to 2; then two
   * hosts may run at once, and only the history is safe.
   */
  readonly clocks: 'equal' | 'close' | 'far'
}

export function drawSwarm(scheduler: Scheduler): Swarm {
  const draws = scheduler.draws('swarm')
  const rate = (max: number) => (draws.chance(0.5) ? draws.between(0, max) : 0)
  const everyMs = (min: number, max: number) =>
    draws.chance(0.4) ? draws.between(min, max) : Number.POSITIVE_INFINITY
  return {
    drop: rate(0.1),
    duplicate: rate(0.2),
    late: rate(0.1),
    putLost: rate(0.2),
    putUnanswered: rate(0.2),
    slowStore: rate(0.2),
    killAtRelease: rate(0.4),
    pauseEveryMs: everyMs(5_000, 30_000),
    killEveryMs: everyMs(5_000, 40_000),
    suspendEveryMs: everyMs(10_000, 40_000),
    rebootEveryMs: everyMs(20_000, 60_000),
    partitionEveryMs: everyMs(5_000, 30_000),
    databaseEveryMs: everyMs(10_000, 40_000),
    storeEveryMs: everyMs(10_000, 40_000),
    sandboxEveryMs: everyMs(10_000, 40_000),
    clocks: draws.pick(['equal', 'close', 'close', 'far']),
  }
}
