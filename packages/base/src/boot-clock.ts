import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'

/** Time since this machine began to run. It counts time spent suspended, and no one can set it. */
export interface BootClock {
  /** Milliseconds; never after the true instant, and at most `CLOCK_GRAIN_MS` before it. */
  bootMs(): number
}

/** How far a reading may be before the true instant. */
export const CLOCK_GRAIN_MS = 10

/**
 * CLOCK_BOOTTIME, rounded down to the grain, as /proc/uptime has it: `performance.now()` stands still while the machine
 * is suspended. The hundredths of a second become a whole number only by rounding.
 */
export const systemBootClock: BootClock = { bootMs: () => Math.round(uptime() * 1_000) }

/** Another one after each boot: instants of the boot clock mean nothing under another. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
