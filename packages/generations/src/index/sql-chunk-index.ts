import type { ChunkIndexSource, HeldLease, IndexReplacement, PackRow } from './generation-index.ts'
import { decideReplacement } from './replacement-decision.ts'
import { all, IS_LISTED, type Operation, one, run } from './sql-operation.ts'
import { integerOf, packOf, storedPackOf, textOf } from './sql-rows.ts'
import { workspaceRow } from './sql-workspaces.ts'
import type { StoredPack } from './write-decision.ts'

/** The GC boundary of an org; 0 for one that has no row yet. */
export function* boundaryOf(org: string): Operation<number> {
  const row = yield* one('SELECT gc_boundary FROM orgs WHERE id = ?', org)
  return row === undefined ? 0 : integerOf(row, 'gc_boundary')
}

/** The rows of these packs, as far as they exist. */
export function* packsByName(names: readonly string[]): Operation<ReadonlyMap<string, StoredPack>> {
  if (names.length === 0) return new Map()
  const rows = yield* all(`SELECT * FROM packs WHERE name ${IS_LISTED}`, names)
  return new Map(rows.map(storedPackOf).map((pack) => [pack.name, pack]))
}

/** Writes packs as live; none of them has a row yet. */
export function* addPacks(org: string, packs: readonly PackRow[]): Operation<void> {
  for (const pack of packs)
    yield* run("INSERT INTO packs VALUES (?, ?, ?, ?, 'live', NULL)", pack.name, org, pack.bytes, pack.sha256)
}

/** Puts packs at the end of a workspace's deltas; one that is there keeps its place. */
export function* addDeltas(workspace: string, packs: readonly PackRow[]): Operation<void> {
  for (const pack of packs)
    yield* run(
      `INSERT INTO index_deltas
       SELECT ?, coalesce((SELECT max(position) FROM index_deltas WHERE workspace = ?), 0) + 1, ?
       WHERE true ON CONFLICT (pack, workspace) DO NOTHING`,
      workspace,
      workspace,
      pack.name,
    )
}

/** Gives a fork the chunk index that its source has now. */
export function* copyChunkIndex(source: string, target: string): Operation<void> {
  yield* run(
    'INSERT INTO index_bases SELECT ?, position, object FROM index_bases WHERE workspace = ?',
    target,
    source,
  )
  yield* run(
    'INSERT INTO index_deltas SELECT ?, position, pack FROM index_deltas WHERE workspace = ?',
    target,
    source,
  )
}

function* baseObjectsOf(workspace: string): Operation<string[]> {
  const rows = yield* all('SELECT object FROM index_bases WHERE workspace = ? ORDER BY position', workspace)
  return rows.map((row) => textOf(row, 'object'))
}

/** Base objects in their order, then deltas in commit order. */
export function* readChunkIndex(workspace: string): Operation<ChunkIndexSource> {
  yield* workspaceRow(workspace)
  const deltas = yield* all(
    `SELECT p.name, p.bytes, p.sha256 FROM index_deltas d JOIN packs p ON p.name = d.pack
     WHERE d.workspace = ? ORDER BY d.position`,
    workspace,
  )
  return { baseObjects: yield* baseObjectsOf(workspace), deltaPacks: deltas.map(packOf) }
}

/** Puts a merged index in force, or throws why not; see `decideReplacement`. */
export function* replaceChunkIndex(lease: HeldLease, replacement: IndexReplacement): Operation<void> {
  const workspace = yield* workspaceRow(lease.workspace)
  const names = replacement.newPacks.map((pack) => pack.name)
  const decision = decideReplacement(lease, replacement, {
    workspace,
    boundary: yield* boundaryOf(workspace.org),
    packs: yield* packsByName(names),
    baseObjects: yield* baseObjectsOf(lease.workspace),
  })
  if (decision.step === 'already-applied') return
  if (decision.step === 'refuse') throw decision.failure
  yield* addPacks(lease.org, decision.addPacks)
  yield* run('DELETE FROM index_bases WHERE workspace = ?', lease.workspace)
  for (const [position, object] of replacement.baseObjects.entries())
    yield* run('INSERT INTO index_bases VALUES (?, ?, ?)', lease.workspace, position, object)
  yield* run(
    `DELETE FROM index_deltas WHERE workspace = ? AND pack ${IS_LISTED}`,
    lease.workspace,
    replacement.covered,
  )
}
