import type { WorkspaceId } from '@holdfast/protocol/identifiers'
import type { Position } from '../../domain/cursor.ts'
import type { ExecRecord } from '../../domain/exec.ts'
import type { ExecWrites } from '../../ports/entities.ts'
import type { Database } from '../tables.ts'
import { documentOf, type Session } from './session.ts'

export class ExecRows implements ExecWrites {
  readonly #database: Database
  readonly #session: Session

  constructor(database: Database, session: Session) {
    this.#database = database
    this.#session = session
  }

  async find(workspace: WorkspaceId, id: string): Promise<ExecRecord | undefined> {
    const row = await this.#session.first('exec', { workspace, id }, (given) =>
      this.#database
        .selectFrom('control_execs')
        .select('document')
        .where('workspace_id', '=', given.workspace)
        .where('id', '=', given.id),
    )
    return row && documentOf<ExecRecord>(row)
  }

  async list(query: {
    readonly workspace: WorkspaceId
    readonly after?: Position
    readonly limit: number
  }): Promise<readonly ExecRecord[]> {
    const { workspace, after, limit } = query
    let found = this.#database
      .selectFrom('control_execs')
      .select('document')
      .where('workspace_id', '=', workspace)
    if (after)
      found = found.where(({ eb, or, and }) =>
        or([
          eb('created_at', '<', after.at),
          and([eb('created_at', '=', after.at), eb('id', '<', after.id)]),
        ]),
      )
    const rows = await found.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
    return rows.map((row) => documentOf<ExecRecord>(row))
  }

  async running(workspace: WorkspaceId): Promise<readonly ExecRecord[]> {
    const rows = await this.#database
      .selectFrom('control_execs')
      .select('document')
      .where('workspace_id', '=', workspace)
      .where('status', '=', 'running')
      .execute()
    return rows.map((row) => documentOf<ExecRecord>(row))
  }

  async lastActivity(
    workspace: WorkspaceId,
  ): Promise<{ readonly at: number | null; readonly isRunning: boolean }> {
    const [running, last] = [
      await this.#database
        .selectFrom('control_execs')
        .select('id')
        .where('workspace_id', '=', workspace)
        .where('status', '=', 'running')
        .limit(1)
        .execute(),
      await this.#database
        .selectFrom('control_execs')
        .select(({ fn }) => [fn.max('created_at').as('began'), fn.max('ended_at').as('ended')])
        .where('workspace_id', '=', workspace)
        .executeTakeFirst(),
    ]
    return { at: Math.max(last?.began ?? 0, last?.ended ?? 0) || null, isRunning: running.length > 0 }
  }

  async insert(record: ExecRecord): Promise<void> {
    await this.#session.first('insert exec', columnsOf(record), (columns) =>
      this.#database.insertInto('control_execs').values(columns),
    )
  }

  async save(record: ExecRecord): Promise<void> {
    const { workspace_id, id, status, ended_at, document } = columnsOf(record)
    // An index is written anew for each of its columns that is set, also to what it was: what never changes is left out.
    await this.#session.first('save exec', { workspace_id, id, status, ended_at, document }, (given) =>
      this.#database
        .updateTable('control_execs')
        .set({ status: given.status, ended_at: given.ended_at, document: given.document })
        .where('workspace_id', '=', given.workspace_id)
        .where('id', '=', given.id),
    )
  }

  async remove(workspace: WorkspaceId, id: string): Promise<void> {
    await this.#database
      .deleteFrom('control_execs')
      .where('workspace_id', '=', workspace)
      .where('id', '=', id)
      .execute()
  }

  async removeEndedBefore(at: number, rowsMax: number): Promise<boolean> {
    const result = await this.#database
      .deleteFrom('control_execs')
      .where(({ eb, refTuple, selectFrom }) =>
        eb(
          refTuple('workspace_id', 'id'),
          'in',
          selectFrom('control_execs')
            .select(['workspace_id', 'id'])
            .where('ended_at', '<', at)
            .orderBy('ended_at')
            .limit(rowsMax)
            .$asTuple('workspace_id', 'id'),
        ),
      )
      .executeTakeFirst()
    return Number(result.numDeletedRows) >= rowsMax
  }
}

function columnsOf(record: ExecRecord) {
  const { id, status, startedAt, endedAt } = record.state
  return {
    workspace_id: record.workspace,
    id,
    status,
    created_at: Math.floor(startedAt),
    ended_at: endedAt === null ? null : Math.floor(endedAt),
    document: JSON.stringify(record),
  }
}
