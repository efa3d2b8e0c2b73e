import { readFileSync } from 'node:fs'

/** Milliseconds of CLOCK_BOOTTIME, which also counts while the machine sleeps; in steps of 10 (proc_uptime(5)). */
export function bootMs(): number {
  const [uptime] = readFileSync('/proc/uptime', 'latin1').split(' ')
  return Number(uptime) * 1000
}
