import { systemClock } from '@holdfast/base/clock'

/** What became of trying something several times: the milliseconds of those that went well. */
export interface Attempts {
  readonly ms: readonly number[]
  readonly failures: readonly unknown[]
}

/** The quantiles that rows tell. */
export const spread = [
  ['p50_ms', 0.5],
  ['p95_ms', 0.95],
  ['p99_ms', 0.99],
] as const

export async function wallMs(work: () => Promise<unknown>): Promise<number> {
  const beganAt = systemClock.monotonicMs()
  await work()
  return systemClock.monotonicMs() - beganAt
}

/** One after another. `work` may tell the milliseconds that count; else all of it does. */
export async function attempts(count: number, work: (turn: number) => Promise<unknown>): Promise<Attempts> {
  const made: Attempts[] = []
  for (let turn = 0; turn < count; turn++) made.push(await attempt(() => work(turn)))
  return together(made)
}

export async function attempt(work: () => Promise<unknown>): Promise<Attempts> {
  const beganAt = systemClock.monotonicMs()
  try {
    const told = await work()
    return { ms: [typeof told === 'number' ? told : systemClock.monotonicMs() - beganAt], failures: [] }
  } catch (error) {
    return { ms: [], failures: [error] }
  }
}

export function together(made: readonly Attempts[]): Attempts {
  return { ms: made.flatMap(({ ms }) => ms), failures: made.flatMap(({ failures }) => failures) }
}

export function successPct({ ms, failures }: Attempts): number {
  return (100 * ms.length) / (ms.length + failures.length)
}
