import { uptime } from 'node:os'

/** Milliseconds of CLOCK_BOOTTIME, in steps of 10. */
export const bootMs = (): number => uptime() * 1_000
