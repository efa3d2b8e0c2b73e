export interface IdleQuestion {
  readonly idleTimeoutMs: number | null
  /** The host's word: since when nothing runs and nobody asks; null: something does. */
  readonly quietSinceAt: number | null
  readonly movedAt: number
  /** When a command began or ended last; null: never. */
  readonly lastExecAt: number | null
  readonly isExecRunning: boolean
  readonly nowMs: number
}

/** Whether a workspace has been quiet for so long that it is stopped. */
export function isIdleTimeOver(question: IdleQuestion): boolean {
  const { idleTimeoutMs, quietSinceAt, movedAt, lastExecAt, isExecRunning, nowMs } = question
  if (idleTimeoutMs === null || quietSinceAt === null || isExecRunning) return false
  return nowMs - Math.max(quietSinceAt, movedAt, lastExecAt ?? 0) >= idleTimeoutMs
}
