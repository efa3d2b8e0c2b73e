import { Failure } from '@holdfast/base/failure'
import { type AppendState, decideAppend, neededPacks, type Tip } from './append-decision.ts'
import type {
  GenerationCommit,
  GenerationRow,
  HeldLease,
  HistoryPage,
  WorkspaceRow,
} from './generation-index.ts'
import { type ForkPoint, refuseDrop, refuseFork } from './lineage-decision.ts'
import { generationOf, integerOf, textOf } from './sql-rows.ts'
import { addDeltas, addPacks, boundaryOf, copyChunkIndex, packsByName } from './sqlite-chunk-index.ts'
import type { SqliteConnection } from './sqlite-connection.ts'
import { workspaceRow } from './sqlite-workspaces.ts'

export function generationRow(connection: SqliteConnection, id: string): GenerationRow {
  const row = connection.one('SELECT * FROM generations WHERE id = ?', id)
  if (row === undefined) throw new Failure('not-found', `no such generation: ${id}`, { id })
  return generationOf(row)
}

/** Writes a workspace without a generation; a fork's chunks are where its source has them at this moment. */
export function createWorkspace(
  connection: SqliteConnection,
  workspace: { readonly id: string; readonly org: string; readonly forkedFrom?: string },
): void {
  const { id, org, forkedFrom } = workspace
  if (connection.one('SELECT 1 FROM workspaces WHERE id = ?', id) !== undefined)
    throw new Failure('already-exists', `workspace exists: ${id}`, { workspace: id })
  const point = forkedFrom === undefined ? undefined : forkPoint(connection, forkedFrom)
  const failure = forkedFrom === undefined ? undefined : refuseFork(org, forkedFrom, point)
  if (failure !== undefined) throw failure
  connection.run('INSERT INTO orgs VALUES (?, 0, 0) ON CONFLICT DO NOTHING', org)
  connection.run('INSERT INTO workspaces VALUES (?, ?, 0, NULL, ?)', id, org, forkedFrom ?? null)
  if (point !== undefined) copyChunkIndex(connection, point.workspace, id)
}

function forkPoint(connection: SqliteConnection, id: string): ForkPoint | undefined {
  const row = connection.one(
    `SELECT g.workspace, g.retained, w.org FROM generations g JOIN workspaces w ON w.id = g.workspace
     WHERE g.id = ?`,
    id,
  )
  if (row === undefined) return undefined
  return {
    id,
    workspace: textOf(row, 'workspace'),
    org: textOf(row, 'org'),
    retained: integerOf(row, 'retained') === 1,
  }
}

/** Takes the next epoch. */
export function acquireLease(connection: SqliteConnection, workspace: string): HeldLease {
  const row = connection.one(
    'UPDATE workspaces SET epoch = epoch + 1 WHERE id = ? RETURNING org, epoch',
    workspace,
  )
  if (row === undefined) throw new Failure('not-found', `no such workspace: ${workspace}`, { workspace })
  return { org: textOf(row, 'org'), workspace, epoch: integerOf(row, 'epoch') }
}

function tipOf(connection: SqliteConnection, workspace: WorkspaceRow): Tip | null {
  const id = workspace.head ?? workspace.forkedFrom
  if (id === null) return null
  const row = connection.one('SELECT sequence FROM generations WHERE id = ?', id)
  if (row === undefined) throw new Failure('history-corrupt', `the head is no generation: ${id}`, { id })
  return { id, sequence: integerOf(row, 'sequence') }
}

function readAppendState(
  connection: SqliteConnection,
  lease: HeldLease,
  commit: GenerationCommit,
): AppendState {
  const workspace = workspaceRow(connection, lease.workspace)
  const committed = connection.one('SELECT workspace FROM generations WHERE id = ?', commit.id)
  const names = [...neededPacks(commit), ...commit.newPacks.map((pack) => pack.name)]
  return {
    workspace,
    committedIn: committed === undefined ? undefined : textOf(committed, 'workspace'),
    tip: tipOf(connection, workspace),
    boundary: boundaryOf(connection, workspace.org),
    packs: packsByName(connection, names),
  }
}

/** Makes the commit the head of the lease's workspace, or throws why not; see `decideAppend`. */
export function appendGeneration(
  connection: SqliteConnection,
  lease: HeldLease,
  commit: GenerationCommit,
): void {
  const decision = decideAppend(lease, commit, readAppendState(connection, lease, commit))
  if (decision.step === 'already-applied') return
  if (decision.step === 'refuse') throw decision.failure
  addPacks(connection, lease.org, decision.addPacks)
  addDeltas(connection, lease.workspace, commit.newPacks)
  connection.run(
    `INSERT INTO generations (id, workspace, sequence, epoch, parent, record_pack, root, cause, message, created_at,
       files, bytes, consistency, verified_at, retained)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 1)`,
    commit.id,
    lease.workspace,
    commit.sequence,
    lease.epoch,
    commit.parent,
    commit.recordPack,
    commit.root,
    commit.cause,
    commit.message,
    commit.createdAt,
    commit.files,
    commit.bytes,
    commit.consistency,
  )
  connection.run('UPDATE workspaces SET head = ? WHERE id = ?', commit.id, lease.workspace)
}

const PAGE = 'SELECT * FROM generations WHERE workspace = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?'
const RETAINED_PAGE = PAGE.replace('ORDER', 'AND retained = 1 ORDER')

/** Newest first, `limit` at most, all below `beforeSequence`. */
export function historyPage(
  connection: SqliteConnection,
  workspace: string,
  page: HistoryPage,
): readonly GenerationRow[] {
  workspaceRow(connection, workspace)
  const before = page.beforeSequence ?? Number.MAX_SAFE_INTEGER
  const rows = connection.all(page.retainedOnly ? RETAINED_PAGE : PAGE, workspace, before, page.limit)
  return rows.map(generationOf)
}

/** Keeps the latest instant, so that a repeated call never takes a proof back. */
export function markVerified(connection: SqliteConnection, id: string, verifiedAt: number): void {
  const row = connection.one(
    'UPDATE generations SET verified_at = max(?, coalesce(verified_at, 0)) WHERE id = ? RETURNING id',
    verifiedAt,
    id,
  )
  if (row === undefined) throw new Failure('not-found', `no such generation: ${id}`, { id })
}

/** All of them or none. */
export function dropGenerations(connection: SqliteConnection, ids: readonly string[]): void {
  for (const id of ids) {
    const tip = connection.one(
      `SELECT id FROM workspaces WHERE id = (SELECT workspace FROM generations WHERE id = ?) AND head = ?
       UNION ALL SELECT id FROM workspaces WHERE forked_from = ? AND head IS NULL LIMIT 1`,
      id,
      id,
      id,
    )
    const exists = connection.one('SELECT 1 FROM generations WHERE id = ?', id) !== undefined
    const failure = refuseDrop(id, exists, tip === undefined ? undefined : textOf(tip, 'id'))
    if (failure !== undefined) throw failure
    connection.run('UPDATE generations SET retained = 0 WHERE id = ?', id)
  }
}
