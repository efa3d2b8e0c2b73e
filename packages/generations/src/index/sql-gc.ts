import type { PackRow, PackState } from './generation-index.ts'
import { PACK_MOVES, type PackMove, refuseBoundary, refusePackMove } from './pack-moves.ts'
import { packsByName } from './sql-chunk-index.ts'
import { all, IS_LISTED, type Operation, one, run } from './sql-operation.ts'
import { condemnedAtOf, integerOf, packOf } from './sql-rows.ts'

/** Condemnations of this org so far; 0 for one that has no row yet. */
export function* gcClockOf(org: string): Operation<number> {
  const row = yield* one('SELECT gc_clock FROM orgs WHERE id = ?', org)
  return row === undefined ? 0 : integerOf(row, 'gc_clock')
}

/** In the order of their names. */
export function* packsInState(
  org: string,
  state: PackState,
): Operation<readonly (PackRow & { readonly condemnedAt: number | null })[]> {
  const rows = yield* all('SELECT * FROM packs WHERE org = ? AND state = ? ORDER BY name', org, state)
  return rows.map((row) => ({ ...packOf(row), condemnedAt: condemnedAtOf(row) }))
}

function* refuse(move: PackMove, org: string, names: readonly string[]): Operation<void> {
  const stored = yield* packsByName(names)
  const failure = refusePackMove(move, org, new Map(names.map((name) => [name, stored.get(name)])))
  if (failure !== undefined) throw failure
}

/** Live → condemned for all of `names` or none, and the clock one on; returns its new value. */
export function* condemnPacks(org: string, names: readonly string[], condemnedAt: number): Operation<number> {
  yield* refuse('condemn', org, names)
  const { to } = PACK_MOVES.condemn
  yield* run(`UPDATE packs SET state = ?, condemned_at = ? WHERE name ${IS_LISTED}`, to, condemnedAt, names)
  yield* run('INSERT INTO orgs VALUES (?, 0, 0) ON CONFLICT DO NOTHING', org)
  yield* run('UPDATE orgs SET gc_clock = gc_clock + 1 WHERE id = ?', org)
  return yield* gcClockOf(org)
}

/** Condemned → live for all of `names` or none. */
export function* reprievePacks(org: string, names: readonly string[]): Operation<void> {
  yield* refuse('reprieve', org, names)
  const { to } = PACK_MOVES.reprieve
  yield* run(`UPDATE packs SET state = ?, condemned_at = NULL WHERE name ${IS_LISTED}`, to, names)
}

/** Condemned → deleted for all of `names` or none; no chunk is found there any more. */
export function* forgetPacks(org: string, names: readonly string[]): Operation<void> {
  yield* refuse('forget', org, names)
  const { to } = PACK_MOVES.forget
  yield* run(`UPDATE packs SET state = ? WHERE name ${IS_LISTED}`, to, names)
  yield* run(`DELETE FROM index_deltas WHERE pack ${IS_LISTED}`, names)
}

/** Never down, and never ahead of the clock. */
export function* advanceBoundary(org: string, clock: number): Operation<void> {
  const failure = refuseBoundary(clock, yield* gcClockOf(org))
  if (failure !== undefined) throw failure
  yield* run('UPDATE orgs SET gc_boundary = ? WHERE id = ? AND gc_boundary < ?', clock, org, clock)
}
