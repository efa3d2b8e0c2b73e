import type { BootClock } from '@holdfast/base/boot-clock'

/** An instant by the clock of the database. Those of two boots cannot be compared. */
export interface DatabaseInstant {
  readonly boot: string
  readonly ms: number
}

export interface DatabaseClock {
  now(): DatabaseInstant
}

/**
 * The clock of a database that is a file: the boot clock of the machine that has the file, which no one can set. Setting
 * the wall clock ends no lease early and keeps none alive.
 */
export function bootDatabaseClock(clock: BootClock, bootId: string): DatabaseClock {
  return { now: () => ({ boot: bootId, ms: clock.bootMs() }) }
}
