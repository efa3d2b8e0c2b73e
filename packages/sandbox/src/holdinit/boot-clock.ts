import { readFileSync } from 'node:fs'

/** Of /proc/uptime. */
export const CLOCK_GRAIN_MS = 10

/**
 * CLOCK_BOOTTIME in milliseconds, rounded down to 10: the first number of /proc/uptime is that clock. What is measured
 * from it is never later than it should be.
 */
export function bootClockMs(): number {
  const [seconds = ''] = readFileSync('/proc/uptime', 'utf8').split(' ')
  return Math.round(Number(seconds) * 1000)
}
