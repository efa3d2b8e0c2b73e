/** No step is put off for longer: one that is due later was written down before a clock was set back. */
export const DUE_AHEAD_MS_MAX = 60_000

/** Whether a step that was put off until `dueAt` is to be taken; null: there is none. */
export function isDue(dueAt: number | null, nowMs: number): boolean {
  return dueAt !== null && (dueAt <= nowMs || dueAt > nowMs + DUE_AHEAD_MS_MAX)
}
