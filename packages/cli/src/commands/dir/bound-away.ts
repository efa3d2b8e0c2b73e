import { type BoundDatabase, recoversAt } from '@holdfast/generations/restore/bound-databases'
import type { Context } from '../../open-context.ts'
import { printable } from '../../output/printable.ts'

/** A database that was put where opening it would tear a transaction. */
export interface BoundAway {
  readonly database: string
  /** Where the directory must be for it to recover. */
  readonly recoversAt: string
}

/** Those of a directory, put at `path`, that recover only elsewhere; its writers had it at `writersPath`. */
export function boundAway(
  bound: readonly BoundDatabase[],
  { path, writersPath }: { readonly path: string; readonly writersPath: string },
): BoundAway[] {
  return bound
    .filter(({ superJournal }) => !superJournal.startsWith(`${path}/`))
    .map((database) => ({ database: database.path, recoversAt: recoversAt(database, writersPath) }))
}

/** Warns people before they open one. */
export function noteBoundAway(context: Context, away: readonly BoundAway[]): void {
  const [first] = away
  if (first === undefined) return
  const names = away.map(({ database }) => printable(database)).join(', ')
  const place = printable(first.recoversAt)
  context.output.note(
    `Do not open ${names} here: its transaction over several databases recovers only at ${place}`,
  )
}
