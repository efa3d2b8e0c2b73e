import type { Logger } from 'pino'

/** What a role tells of failures that nobody caused from outside. */
export function defectLog(log: Logger): (failure: unknown, call?: string) => void {
  return (failure, call) => log.error({ err: failure, call }, 'a defect')
}
