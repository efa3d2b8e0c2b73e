import type { HostId, OrgId } from '@holdfast/protocol/identifiers'
import type { HostRecord } from '../../domain/host.ts'
import type { DrillRecord } from '../../domain/workspace.ts'
import type {
  AnswerWrites,
  DrillWrites,
  GivenAnswer,
  HostWrites,
  ReportWrites,
} from '../../ports/entities.ts'
import type { Database } from '../tables.ts'
import { documentOf, type Session } from './session.ts'

export class HostRows implements HostWrites {
  readonly #database: Database
  readonly #session: Session

  constructor(database: Database, session: Session) {
    this.#database = database
    this.#session = session
  }

  async byId(id: HostId): Promise<HostRecord | undefined> {
    const row = await this.#session.first('host', { id }, (given) => {
      const found = this.#database.selectFrom('control_hosts').select('document').where('id', '=', given.id)
      return this.#session.locksRows ? found.forUpdate() : found
    })
    return row && documentOf<HostRecord>(row)
  }

  async list(): Promise<readonly HostRecord[]> {
    const rows = await this.#database.selectFrom('control_hosts').select('document').orderBy('id').execute()
    return rows.map((row) => documentOf<HostRecord>(row))
  }

  async put(record: HostRecord): Promise<void> {
    const document = JSON.stringify(record)
    await this.#database
      .insertInto('control_hosts')
      .values({ id: record.id, document })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ document }))
      .execute()
  }
}

export class DrillRows implements DrillWrites {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async list(query: {
    readonly org: OrgId
    readonly beforeId?: number
    readonly limit: number
  }): Promise<readonly (DrillRecord & { readonly id: number })[]> {
    let found = this.#database
      .selectFrom('control_drills')
      .select(['id', 'document'])
      .where('org_id', '=', query.org)
    if (query.beforeId !== undefined) found = found.where('id', '<', query.beforeId)
    const rows = await found.orderBy('id', 'desc').limit(query.limit).execute()
    return rows.map((row) => ({ id: row.id, ...documentOf<DrillRecord>(row) }))
  }

  async insert(org: OrgId, record: DrillRecord): Promise<void> {
    await this.#database
      .insertInto('control_drills')
      .values(({ selectFrom, fn, lit, eb }) => ({
        id: selectFrom('control_drills').select(eb(fn.coalesce(fn.max('id'), lit(0)), '+', 1).as('next')),
        org_id: org,
        document: JSON.stringify(record),
      }))
      .execute()
  }
}

export class AnswerRows implements AnswerWrites {
  readonly #database: Database
  readonly #session: Session

  constructor(database: Database, session: Session) {
    this.#database = database
    this.#session = session
  }

  async find(org: OrgId, key: string): Promise<GivenAnswer | undefined> {
    const row = await this.#session.first('answer', { org, key }, (given) =>
      this.#database
        .selectFrom('control_answers')
        .selectAll()
        .where('org_id', '=', given.org)
        .where('key', '=', given.key),
    )
    if (row === undefined) return undefined
    const { fingerprint, status, body, expires_at } = row
    return { org, key, fingerprint, status, body, expiresAt: expires_at }
  }

  async put({ org, key, fingerprint, status, body, expiresAt }: GivenAnswer): Promise<void> {
    const row = { org_id: org, key, fingerprint, status, body, expires_at: expiresAt }
    await this.#session.first('put answer', row, (columns) =>
      this.#database
        .insertInto('control_answers')
        .values(columns)
        .onConflict((conflict) => conflict.columns(['org_id', 'key']).doUpdateSet(columns)),
    )
  }

  async removeExpired(nowMs: number): Promise<void> {
    await this.#database.deleteFrom('control_answers').where('expires_at', '<=', nowMs).execute()
  }
}

export class ReportRows implements ReportWrites {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async note(id: string, at: number): Promise<boolean> {
    const result = await this.#database
      .insertInto('control_reports')
      .values({ id, at })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .executeTakeFirst()
    return (result.numInsertedOrUpdatedRows ?? 0n) > 0n
  }

  async removeBefore(at: number): Promise<void> {
    await this.#database.deleteFrom('control_reports').where('at', '<', at).execute()
  }
}
