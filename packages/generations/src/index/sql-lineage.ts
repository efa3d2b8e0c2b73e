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
import { addDeltas, addPacks, boundaryOf, copyChunkIndex, packsByName } from './sql-chunk-index.ts'
import { all, type Operation, one, run } from './sql-operation.ts'
import { generationOf, integerOf, textOf } from './sql-rows.ts'
import { workspaceRow } from './sql-workspaces.ts'

export function* generationRow(id: string): Operation<GenerationRow> {
  const row = yield* one('SELECT * FROM generations WHERE id = ?', id)
  if (row === undefined) throw new Failure('not-found', `no such generation: ${id}`, { id })
  return generationOf(row)
}

/** Writes a workspace without a generation; a fork's chunks are where its source has them at this moment. */
export function* createWorkspace(workspace: {
  readonly id: string
  readonly org: string
  readonly forkedFrom?: string
}): Operation<void> {
  const { id, org, forkedFrom } = workspace
  if ((yield* one('SELECT 1 FROM workspaces WHERE id = ?', id)) !== undefined)
    throw new Failure('already-exists', `workspace exists: ${id}`, { workspace: id })
  const point = forkedFrom === undefined ? undefined : yield* forkPoint(forkedFrom)
  const failure = forkedFrom === undefined ? undefined : refuseFork(org, forkedFrom, point)
  if (failure !== undefined) throw failure
  yield* run('INSERT INTO orgs VALUES (?, 0, 0) ON CONFLICT DO NOTHING', org)
  yield* run('INSERT INTO workspaces VALUES (?, ?, 0, NULL, ?)', id, org, forkedFrom ?? null)
  if (point !== undefined) yield* copyChunkIndex(point.workspace, id)
}

function* forkPoint(id: string): Operation<ForkPoint | undefined> {
  const row = yield* one(
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
export function* acquireLease(workspace: string): Operation<HeldLease> {
  const row = yield* one(
    'UPDATE workspaces SET epoch = epoch + 1 WHERE id = ? RETURNING org, epoch',
    workspace,
  )
  if (row === undefined) throw new Failure('not-found', `no such workspace: ${workspace}`, { workspace })
  return { org: textOf(row, 'org'), workspace, epoch: integerOf(row, 'epoch') }
}

function* tipOf(workspace: WorkspaceRow): Operation<Tip | null> {
  const id = workspace.head ?? workspace.forkedFrom
  if (id === null) return null
  const row = yield* one('SELECT sequence FROM generations WHERE id = ?', id)
  if (row === undefined) throw new Failure('history-corrupt', `the head is no generation: ${id}`, { id })
  return { id, sequence: integerOf(row, 'sequence') }
}

function* readAppendState(lease: HeldLease, commit: GenerationCommit): Operation<AppendState> {
  const workspace = yield* workspaceRow(lease.workspace)
  const committed = yield* one('SELECT workspace FROM generations WHERE id = ?', commit.id)
  const names = [...neededPacks(commit), ...commit.newPacks.map((pack) => pack.name)]
  return {
    workspace,
    committedIn: committed === undefined ? undefined : textOf(committed, 'workspace'),
    tip: yield* tipOf(workspace),
    boundary: yield* boundaryOf(workspace.org),
    packs: yield* packsByName(names),
  }
}

/** Makes the commit the head of the lease's workspace, or throws why not; see `decideAppend`. */
export function* appendGeneration(lease: HeldLease, commit: GenerationCommit): Operation<void> {
  const decision = decideAppend(lease, commit, yield* readAppendState(lease, commit))
  if (decision.step === 'already-applied') return
  if (decision.step === 'refuse') throw decision.failure
  yield* addPacks(lease.org, decision.addPacks)
  yield* addDeltas(lease.workspace, commit.newPacks)
  yield* run(
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
  yield* run('UPDATE workspaces SET head = ? WHERE id = ?', commit.id, lease.workspace)
}

const PAGE = 'SELECT * FROM generations WHERE workspace = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?'
const RETAINED_PAGE = PAGE.replace('ORDER', 'AND retained = 1 ORDER')

/** Newest first, `limit` at most, all below `beforeSequence`. */
export function* historyPage(workspace: string, page: HistoryPage): Operation<readonly GenerationRow[]> {
  yield* workspaceRow(workspace)
  const before = page.beforeSequence ?? Number.MAX_SAFE_INTEGER
  const rows = yield* all(page.retainedOnly ? RETAINED_PAGE : PAGE, workspace, before, page.limit)
  return rows.map(generationOf)
}

/** Keeps the latest instant, so that a repeated call never takes a proof back. */
export function* markVerified(id: string, verifiedAt: number): Operation<void> {
  const row = yield* one(
    `UPDATE generations SET verified_at = CASE WHEN verified_at > ? THEN verified_at ELSE ? END WHERE id = ?
     RETURNING id`,
    verifiedAt,
    verifiedAt,
    id,
  )
  if (row === undefined) throw new Failure('not-found', `no such generation: ${id}`, { id })
}

/** All of them or none. */
export function* dropGenerations(ids: readonly string[]): Operation<void> {
  for (const id of ids) {
    const tip = yield* one(
      `SELECT id FROM workspaces WHERE id = (SELECT workspace FROM generations WHERE id = ?) AND head = ?
       UNION ALL SELECT id FROM workspaces WHERE forked_from = ? AND head IS NULL LIMIT 1`,
      id,
      id,
      id,
    )
    const exists = (yield* one('SELECT 1 FROM generations WHERE id = ?', id)) !== undefined
    const failure = refuseDrop(id, exists, tip === undefined ? undefined : textOf(tip, 'id'))
    if (failure !== undefined) throw failure
    yield* run('UPDATE generations SET retained = 0 WHERE id = ?', id)
  }
}
