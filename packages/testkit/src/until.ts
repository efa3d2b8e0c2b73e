import { setTimeout as delay } from 'node:timers/promises'

type Answer<T> = T | false | undefined

export interface UntilLimits {
  readonly withinMs?: number
  readonly everyMs?: number
}

/** Looks again and again: resolves with the first answer that is neither false nor undefined, rejects when time is up. */
export async function until<T>(
  what: string,
  look: () => Answer<T> | Promise<Answer<T>>,
  { withinMs = 20_000, everyMs = 20 }: UntilLimits = {},
): Promise<T> {
  for (const deadline = performance.now() + withinMs; ; await delay(everyMs)) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`)
  }
}
