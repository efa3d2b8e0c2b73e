import { setTimeout as delay } from 'node:timers/promises'

const EVERY_MS = 25

/** Resolves with the first answer that is not undefined. Rejects when none came within the time. */
export async function until<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  withinMs = 20_000,
): Promise<T> {
  for (const deadline = performance.now() + withinMs; ; await delay(EVERY_MS)) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`)
  }
}
