const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 }
const WAIT_MS_MAX = 60_000

/** `30s`, `500ms`, `2m` in milliseconds, at most a minute: longer waits are asked for again. */
export function parseWaitMs(text: string | undefined): number {
  const [, amount, unit] = /^(\d{1,6})(ms|s|m)$/.exec(text ?? '') ?? []
  if (amount === undefined || unit === undefined) return 0
  return Math.min(WAIT_MS_MAX, Number(amount) * (UNIT_MS[unit] ?? 1))
}
