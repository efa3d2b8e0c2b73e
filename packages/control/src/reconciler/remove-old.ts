import type { Deps } from '../operations/context.ts'
import type { Changes } from '../ports/store.ts'

/** Others write between two batches. */
const BATCH_ROWS_MAX = 500
/** Of one turn: what is left waits for the next. */
const BATCHES_MAX = 40

/** Removes activity and ended commands that are older than they are kept; the audit stays. */
export async function removeOld(
  { store, clock, settings }: Pick<Deps, 'store' | 'clock' | 'settings'>,
  signal: AbortSignal,
): Promise<void> {
  const before = clock.wallMs() - settings.eventsKeptMs
  const kinds: readonly ((changes: Changes) => Promise<boolean>)[] = [
    (changes) => changes.events.removeBefore(before, BATCH_ROWS_MAX),
    (changes) => changes.execs.removeEndedBefore(before, BATCH_ROWS_MAX),
  ]
  for (const removeBatch of kinds)
    for (let batch = 0; batch < BATCHES_MAX && !signal.aborted; batch++)
      if (!(await store.write(removeBatch))) break
}
