import type { ExposureAccess } from '@holdfast/protocol/control-calls'
import type { OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { ServiceSpec } from '@holdfast/protocol/service'
import type { ExposureRecord, ExposureWrites, ServiceWrites } from '../../ports/entities.ts'
import type { Database, Tables } from '../tables.ts'
import { removeRow } from './remove-row.ts'
import { documentOf } from './session.ts'

export class ExposureRows implements ExposureWrites {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async find(workspace: WorkspaceId, port: number): Promise<ExposureRecord | undefined> {
    const row = await this.#database
      .selectFrom('control_exposures')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('port', '=', port)
      .executeTakeFirst()
    return row && recordOf(row)
  }

  async list(workspace: WorkspaceId): Promise<readonly ExposureRecord[]> {
    const rows = await this.#database
      .selectFrom('control_exposures')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .orderBy('port')
      .execute()
    return rows.map(recordOf)
  }

  async put({ id, workspace, org, port, access, createdAt }: ExposureRecord): Promise<void> {
    await this.#database
      .insertInto('control_exposures')
      .values({ id, workspace_id: workspace, org_id: org, port, access, created_at: createdAt })
      .onConflict((conflict) => conflict.columns(['workspace_id', 'port']).doUpdateSet({ access }))
      .execute()
  }

  async remove(workspace: WorkspaceId, port: number): Promise<boolean> {
    return await removeRow(
      this.#database
        .deleteFrom('control_exposures')
        .where('workspace_id', '=', workspace)
        .where('port', '=', port),
    )
  }
}

function recordOf(row: Tables['control_exposures']): ExposureRecord {
  return {
    id: row.id,
    workspace: row.workspace_id as WorkspaceId,
    org: row.org_id as OrgId,
    port: row.port,
    access: row.access as ExposureAccess,
    createdAt: row.created_at,
  }
}

export class ServiceRows implements ServiceWrites {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async list(workspace: WorkspaceId): Promise<readonly ServiceSpec[]> {
    const rows = await this.#database
      .selectFrom('control_services')
      .select('document')
      .where('workspace_id', '=', workspace)
      .orderBy('name')
      .execute()
    return rows.map((row) => documentOf<ServiceSpec>(row))
  }

  async put(workspace: WorkspaceId, spec: ServiceSpec): Promise<void> {
    const document = JSON.stringify(spec)
    await this.#database
      .insertInto('control_services')
      .values({ workspace_id: workspace, name: spec.name, document })
      .onConflict((conflict) => conflict.columns(['workspace_id', 'name']).doUpdateSet({ document }))
      .execute()
  }

  async remove(workspace: WorkspaceId, name: string): Promise<boolean> {
    return await removeRow(
      this.#database
        .deleteFrom('control_services')
        .where('workspace_id', '=', workspace)
        .where('name', '=', name),
    )
  }
}
