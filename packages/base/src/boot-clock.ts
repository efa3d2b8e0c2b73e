import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'

/** Time since this machine began to run. It counts time spent suspended, and no one can set it. */
export interface BootClock {
  /** Milliseconds; never after the true instant, and at most 10 ms before it. */
  bootMs(): number
}

/** CLOCK_BOOTTIME, in steps of 10 ms: `performance.now()` stands still while the machine is suspended. */
export const systemBootClock: BootClock = { bootMs: () => Math.floor(uptime() * 1_000) }

/** Another one after each boot: instants of the boot clock mean nothing under another. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
