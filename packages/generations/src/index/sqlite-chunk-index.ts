import type { ChunkIndexSource, HeldLease, IndexReplacement, PackRow } from './generation-index.ts'
import { decideReplacement } from './replacement-decision.ts'
import { integerOf, packOf, storedPackOf, textOf } from './sql-rows.ts'
import type { SqliteConnection } from './sqlite-connection.ts'
import { workspaceRow } from './sqlite-workspaces.ts'
import type { StoredPack } from './write-decision.ts'

/** The GC boundary of an org; 0 for one that has no row yet. */
export function boundaryOf(connection: SqliteConnection, org: string): number {
  const row = connection.one('SELECT gc_boundary FROM orgs WHERE id = ?', org)
  return row === undefined ? 0 : integerOf(row, 'gc_boundary')
}

/** The rows of these packs, as far as they exist. */
export function packsByName(
  connection: SqliteConnection,
  names: readonly string[],
): ReadonlyMap<string, StoredPack> {
  const packs = new Map<string, StoredPack>()
  for (const name of names) {
    const row = connection.one('SELECT * FROM packs WHERE name = ?', name)
    if (row !== undefined) packs.set(name, storedPackOf(row))
  }
  return packs
}

/** Writes packs as live; none of them has a row yet. */
export function addPacks(connection: SqliteConnection, org: string, packs: readonly PackRow[]): void {
  for (const pack of packs)
    connection.run(
      "INSERT INTO packs VALUES (?, ?, ?, ?, 'live', NULL)",
      pack.name,
      org,
      pack.bytes,
      pack.sha256,
    )
}

/** Puts packs at the end of a workspace's deltas; one that is there keeps its place. */
export function addDeltas(connection: SqliteConnection, workspace: string, packs: readonly PackRow[]): void {
  for (const pack of packs)
    connection.run(
      `INSERT INTO index_deltas
       SELECT ?1, coalesce((SELECT max(position) FROM index_deltas WHERE workspace = ?1), 0) + 1, ?2
       WHERE true ON CONFLICT (pack, workspace) DO NOTHING`,
      workspace,
      pack.name,
    )
}

/** Gives a fork the chunk index that its source has now. */
export function copyChunkIndex(connection: SqliteConnection, source: string, target: string): void {
  connection.run(
    'INSERT INTO index_bases SELECT ?, position, object FROM index_bases WHERE workspace = ?',
    target,
    source,
  )
  connection.run(
    'INSERT INTO index_deltas SELECT ?, position, pack FROM index_deltas WHERE workspace = ?',
    target,
    source,
  )
}

function baseObjectsOf(connection: SqliteConnection, workspace: string): string[] {
  const rows = connection.all(
    'SELECT object FROM index_bases WHERE workspace = ? ORDER BY position',
    workspace,
  )
  return rows.map((row) => textOf(row, 'object'))
}

/** Base objects in their order, then deltas in commit order. */
export function readChunkIndex(connection: SqliteConnection, workspace: string): ChunkIndexSource {
  workspaceRow(connection, workspace)
  const deltas = connection.all(
    `SELECT p.name, p.bytes, p.sha256 FROM index_deltas d JOIN packs p ON p.name = d.pack
     WHERE d.workspace = ? ORDER BY d.position`,
    workspace,
  )
  return { baseObjects: baseObjectsOf(connection, workspace), deltaPacks: deltas.map(packOf) }
}

/** Puts a merged index in force, or throws why not; see `decideReplacement`. */
export function replaceChunkIndex(
  connection: SqliteConnection,
  lease: HeldLease,
  replacement: IndexReplacement,
): void {
  const workspace = workspaceRow(connection, lease.workspace)
  const names = replacement.newPacks.map((pack) => pack.name)
  const decision = decideReplacement(lease, replacement, {
    workspace,
    boundary: boundaryOf(connection, workspace.org),
    packs: packsByName(connection, names),
    baseObjects: baseObjectsOf(connection, lease.workspace),
  })
  if (decision.step === 'already-applied') return
  if (decision.step === 'refuse') throw decision.failure
  addPacks(connection, lease.org, decision.addPacks)
  connection.run('DELETE FROM index_bases WHERE workspace = ?', lease.workspace)
  for (const [position, object] of replacement.baseObjects.entries())
    connection.run('INSERT INTO index_bases VALUES (?, ?, ?)', lease.workspace, position, object)
  for (const pack of replacement.covered)
    connection.run('DELETE FROM index_deltas WHERE workspace = ? AND pack = ?', lease.workspace, pack)
}
