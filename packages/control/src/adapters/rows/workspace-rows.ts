import { Failure } from '@holdfast/base/failure'
import type { HostId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import { SANDBOX_SPEC_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import type { WorkspaceStatus } from '@holdfast/protocol/workspace-status'
import { DUE_AHEAD_MS_MAX } from '../../domain/due.ts'
import type { WorkspaceRecord } from '../../domain/workspace.ts'
import type { WorkspaceQuery, WorkspaceWrites } from '../../ports/entities.ts'
import type { Database } from '../tables.ts'
import { documentOf, isUniqueViolation, type Session } from './session.ts'

export class WorkspaceRows implements WorkspaceWrites {
  readonly #database: Database
  readonly #session: Session

  constructor(database: Database, session: Session) {
    this.#database = database
    this.#session = session
  }

  async byId(id: WorkspaceId): Promise<WorkspaceRecord | undefined> {
    const row = await this.#session.first('workspace', { id }, (given) =>
      this.#database.selectFrom('control_workspaces').select('document').where('id', '=', given.id),
    )
    return row && recordOf(row)
  }

  async find(org: OrgId, idOrName: string): Promise<WorkspaceRecord | undefined> {
    const column = idOrName.startsWith('ws_') ? 'id' : 'name'
    const row = await this.#session.first(`workspace by ${column}`, { org, idOrName }, (given) =>
      this.#database
        .selectFrom('control_workspaces')
        .select('document')
        .where(column, '=', given.idOrName)
        .where('org_id', '=', given.org)
        .where('removed_at', 'is', null),
    )
    return row && recordOf(row)
  }

  async findAnywhere(idOrName: string): Promise<WorkspaceRecord | undefined> {
    const rows = await this.#database
      .selectFrom('control_workspaces')
      .select('document')
      .where(idOrName.startsWith('ws_') ? 'id' : 'name', '=', idOrName)
      .where('removed_at', 'is', null)
      .limit(2)
      .execute()
    const [row] = rows
    return rows.length === 1 && row ? recordOf(row) : undefined
  }

  async list(query: WorkspaceQuery): Promise<readonly WorkspaceRecord[]> {
    const { org, status, name, labels, includeArchived, after, limit } = query
    let found = this.#database
      .selectFrom('control_workspaces as w')
      .select('w.document')
      .where('w.org_id', '=', org)
      .where('w.removed_at', 'is', null)
    if (status !== undefined) found = found.where('w.status', '=', status)
    if (name !== undefined) found = found.where('w.name', '=', name)
    if (!includeArchived) found = found.where('w.archived_at', 'is', null)
    for (const [label, value] of labels)
      found = found.where(({ exists, selectFrom }) =>
        exists(
          selectFrom('control_workspace_labels as l')
            .select('l.name')
            .whereRef('l.workspace_id', '=', 'w.id')
            .where('l.name', '=', label)
            .where('l.value', '=', value),
        ),
      )
    if (after)
      found = found.where(({ eb, or, and }) =>
        or([
          eb('w.created_at', '<', after.at),
          and([eb('w.created_at', '=', after.at), eb('w.id', '<', after.id)]),
        ]),
      )
    const rows = await found.orderBy('w.created_at', 'desc').orderBy('w.id', 'desc').limit(limit).execute()
    return rows.map((row) => recordOf(row))
  }

  async due(nowMs: number, limit: number): Promise<readonly WorkspaceId[]> {
    const rows = await this.#database
      .selectFrom('control_workspaces')
      .select('id')
      .where(({ eb, or }) => or([eb('due_at', '<=', nowMs), eb('due_at', '>', nowMs + DUE_AHEAD_MS_MAX)]))
      .orderBy('due_at')
      .limit(limit)
      .execute()
    return rows.map(({ id }) => id as WorkspaceId)
  }

  async live(): Promise<readonly WorkspaceRecord[]> {
    const rows = await this.#database
      .selectFrom('control_workspaces')
      .select('document')
      .where('status', 'in', ['idle', 'busy', 'stopping'])
      .execute()
    return rows.map((row) => recordOf(row))
  }

  async onHost(host: HostId): Promise<readonly WorkspaceRecord[]> {
    const rows = await this.#database
      .selectFrom('control_workspaces')
      .select('document')
      .where('host_id', '=', host)
      .execute()
    return rows.map((row) => recordOf(row))
  }

  async load(): Promise<ReadonlyMap<HostId, number>> {
    const rows = await this.#database
      .selectFrom('control_workspaces')
      .select(({ fn }) => ['host_id', fn.countAll<number>().as('workspaces')])
      .where('host_id', 'is not', null)
      .groupBy('host_id')
      .execute()
    return new Map(rows.map(({ host_id, workspaces }) => [host_id as HostId, workspaces]))
  }

  async countByStatus(): Promise<ReadonlyMap<WorkspaceStatus, number>> {
    const rows = await this.#database
      .selectFrom('control_workspaces')
      .select(({ fn }) => ['status', fn.countAll<number>().as('workspaces')])
      .where('removed_at', 'is', null)
      .groupBy('status')
      .execute()
    return new Map(rows.map(({ status, workspaces }) => [status as WorkspaceStatus, workspaces]))
  }

  async children(org: OrgId, parents: readonly WorkspaceId[]): Promise<readonly WorkspaceRecord[]> {
    if (parents.length === 0) return []
    const rows = await this.#database
      .selectFrom('control_workspaces')
      .select('document')
      .where('org_id', '=', org)
      .where('parent_id', 'in', parents)
      .where('removed_at', 'is', null)
      .orderBy('created_at')
      .orderBy('id')
      .execute()
    return rows.map((row) => recordOf(row))
  }

  async take(id: WorkspaceId): Promise<WorkspaceRecord | undefined> {
    const row = await this.#session.first('take workspace', { id }, (given) => {
      const found = this.#database
        .selectFrom('control_workspaces')
        .select('document')
        .where('id', '=', given.id)
      return this.#session.locksRows ? found.forUpdate() : found
    })
    return row && recordOf(row)
  }

  async insert(record: WorkspaceRecord): Promise<void> {
    await named(record, async () => {
      await this.#database.insertInto('control_workspaces').values(columnsOf(record)).execute()
    })
    await this.#putLabels(record)
    this.#session.workspaces.add(record.id)
  }

  async save(record: WorkspaceRecord): Promise<void> {
    const before = await this.byId(record.id)
    const changes = changedColumns(before, record)
    const names = Object.keys(changes).join(' ')
    await named(record, async () => {
      await this.#session.first(
        `save workspace ${names}`,
        { ...changes, id: record.id },
        ({ id, ...given }) =>
          this.#database.updateTable('control_workspaces').set(given).where('id', '=', id),
      )
    })
    if (JSON.stringify(before?.labels) !== JSON.stringify(record.labels)) await this.#putLabels(record)
    this.#session.workspaces.add(record.id)
  }

  async #putLabels({ id, labels }: WorkspaceRecord): Promise<void> {
    await this.#database.deleteFrom('control_workspace_labels').where('workspace_id', '=', id).execute()
    const rows = Object.entries(labels).map(([name, value]) => ({ workspace_id: id, name, value }))
    if (rows.length > 0) await this.#database.insertInto('control_workspace_labels').values(rows).execute()
  }
}

/** What an earlier version wrote lacks what a specification has had since. */
function recordOf(row: { readonly document: string }): WorkspaceRecord {
  const record = documentOf<WorkspaceRecord>(row)
  return {
    ...{ lostEpoch: 0 },
    ...record,
    spec: { ...SANDBOX_SPEC_DEFAULT, ...record.spec },
    sandbox: record.sandbox && { ...{ packs: [] }, ...record.sandbox },
  }
}

type Columns = ReturnType<typeof columnsOf>

function columnsOf(record: WorkspaceRecord) {
  return {
    id: record.id,
    org_id: record.org,
    name: record.name,
    status: record.status,
    host_id: record.host,
    parent_id: record.parent,
    created_at: record.createdAt,
    archived_at: record.archivedAt,
    removed_at: record.removedAt,
    due_at: record.dueAt,
    document: JSON.stringify(record),
  }
}

/** An index is written anew for each of its columns that is set, also to what it was. */
function changedColumns(before: WorkspaceRecord | undefined, after: WorkspaceRecord) {
  const columns: Partial<Columns> = columnsOf(after)
  if (before === undefined) return columns
  const was: Partial<Columns> = columnsOf(before)
  const changes = Object.entries(columns).filter(
    ([name, value]) => name === 'document' || was[name as keyof Columns] !== value,
  )
  return Object.fromEntries(changes) as Partial<Columns>
}

async function named(record: WorkspaceRecord, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new Failure(
      'already-exists',
      `a workspace named ${record.name} exists already`,
      { name: record.name },
      error,
    )
  }
}
