import type { PackRow, PackState } from './generation-index.ts'
import { PACK_MOVES, type PackMove, refuseBoundary, refusePackMove } from './pack-moves.ts'
import { condemnedAtOf, integerOf, packOf } from './sql-rows.ts'
import { packsByName } from './sqlite-chunk-index.ts'
import type { SqliteConnection } from './sqlite-connection.ts'

/** Condemnations of this org so far; 0 for one that has no row yet. */
export function gcClockOf(connection: SqliteConnection, org: string): number {
  const row = connection.one('SELECT gc_clock FROM orgs WHERE id = ?', org)
  return row === undefined ? 0 : integerOf(row, 'gc_clock')
}

/** In the order of their names. */
export function packsInState(
  connection: SqliteConnection,
  org: string,
  state: PackState,
): readonly (PackRow & { readonly condemnedAt: number | null })[] {
  const rows = connection.all('SELECT * FROM packs WHERE org = ? AND state = ? ORDER BY name', org, state)
  return rows.map((row) => ({ ...packOf(row), condemnedAt: condemnedAtOf(row) }))
}

function refuse(
  connection: SqliteConnection,
  move: PackMove,
  named: { readonly org: string; readonly names: readonly string[] },
): void {
  const stored = packsByName(connection, named.names)
  const packs = new Map(named.names.map((name) => [name, stored.get(name)]))
  const failure = refusePackMove(move, named.org, packs)
  if (failure !== undefined) throw failure
}

/** Live → condemned for all of `names` or none, and the clock one on; returns its new value. */
export function condemnPacks(
  connection: SqliteConnection,
  named: { readonly org: string; readonly names: readonly string[] },
  condemnedAt: number,
): number {
  refuse(connection, 'condemn', named)
  const { to } = PACK_MOVES.condemn
  for (const name of named.names)
    connection.run('UPDATE packs SET state = ?, condemned_at = ? WHERE name = ?', to, condemnedAt, name)
  connection.run(
    'INSERT INTO orgs VALUES (?, 1, 0) ON CONFLICT (id) DO UPDATE SET gc_clock = gc_clock + 1',
    named.org,
  )
  return gcClockOf(connection, named.org)
}

/** Condemned → live for all of `names` or none. */
export function reprievePacks(connection: SqliteConnection, org: string, names: readonly string[]): void {
  refuse(connection, 'reprieve', { org, names })
  const { to } = PACK_MOVES.reprieve
  for (const name of names)
    connection.run('UPDATE packs SET state = ?, condemned_at = NULL WHERE name = ?', to, name)
}

/** Condemned → deleted for all of `names` or none; no chunk is found there any more. */
export function forgetPacks(connection: SqliteConnection, org: string, names: readonly string[]): void {
  refuse(connection, 'forget', { org, names })
  const { to } = PACK_MOVES.forget
  for (const name of names) {
    connection.run('UPDATE packs SET state = ? WHERE name = ?', to, name)
    connection.run('DELETE FROM index_deltas WHERE pack = ?', name)
  }
}

/** Never down, and never ahead of the clock. */
export function advanceBoundary(connection: SqliteConnection, org: string, clock: number): void {
  const failure = refuseBoundary(clock, gcClockOf(connection, org))
  if (failure !== undefined) throw failure
  connection.run('UPDATE orgs SET gc_boundary = max(gc_boundary, ?) WHERE id = ?', clock, org)
}
