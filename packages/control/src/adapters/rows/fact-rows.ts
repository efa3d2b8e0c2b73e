import type { WorkspaceFacts } from '@holdfast/protocol/host-calls'
import type { HostId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { FactWrites, KnownFacts } from '../../ports/entities.ts'
import type { Database } from '../tables.ts'
import { documentOf, type Session } from './session.ts'

export class FactRows implements FactWrites {
  readonly #database: Database
  readonly #session: Session

  constructor(database: Database, session: Session) {
    this.#database = database
    this.#session = session
  }

  async of(workspaces: readonly WorkspaceId[]): Promise<ReadonlyMap<WorkspaceId, KnownFacts>> {
    if (workspaces.length === 0) return new Map()
    const rows = await this.#database
      .selectFrom('control_facts')
      .selectAll()
      .where('workspace_id', 'in', workspaces)
      .execute()
    return new Map(
      rows.map((row) => [
        row.workspace_id as WorkspaceId,
        { host: row.host_id as HostId, at: row.at, facts: documentOf<WorkspaceFacts>(row) },
      ]),
    )
  }

  async put({ host, at, facts }: KnownFacts): Promise<void> {
    const columns = { host_id: host, at, document: JSON.stringify(facts) }
    await this.#database
      .insertInto('control_facts')
      .values({ workspace_id: facts.workspace, ...columns })
      .onConflict((conflict) => conflict.column('workspace_id').doUpdateSet(columns))
      .execute()
    this.#session.workspaces.add(facts.workspace)
  }

  async remove(workspace: WorkspaceId): Promise<void> {
    await this.#database.deleteFrom('control_facts').where('workspace_id', '=', workspace).execute()
  }
}
