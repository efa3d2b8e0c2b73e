import type { Scope } from '@holdfast/protocol/endpoints'
import type { KeyId, OrgId } from '@holdfast/protocol/identifiers'
import { sql } from 'kysely'
import type { Position } from '../../domain/cursor.ts'
import type { KeyRecord, KeyWrites, OrgRecord, OrgWrites } from '../../ports/entities.ts'
import type { Database, Tables } from '../tables.ts'
import { removeRow } from './remove-row.ts'
import type { Session } from './session.ts'

export class KeyRows implements KeyWrites {
  readonly #database: Database
  readonly #session: Session

  constructor(database: Database, session: Session) {
    this.#database = database
    this.#session = session
  }

  async byId(id: KeyId): Promise<KeyRecord | undefined> {
    const row = await this.#session.first('key', { id }, (given) =>
      this.#database.selectFrom('control_keys').selectAll().where('id', '=', given.id),
    )
    return row && keyOf(row)
  }

  async list(query: {
    readonly org: OrgId
    readonly after?: Position
    readonly limit: number
  }): Promise<readonly KeyRecord[]> {
    const { org, after, limit } = query
    let found = this.#database.selectFrom('control_keys').selectAll().where('org_id', '=', org)
    if (after)
      found = found.where(({ eb, or, and }) =>
        or([
          eb('created_at', '>', after.at),
          and([eb('created_at', '=', after.at), eb('id', '>', after.id)]),
        ]),
      )
    return (await found.orderBy('created_at').orderBy('id').limit(limit).execute()).map(keyOf)
  }

  async insert(record: KeyRecord): Promise<void> {
    await this.#database
      .insertInto('control_keys')
      .values({
        id: record.id,
        org_id: record.org,
        user_id: record.user,
        name: record.name,
        scopes: JSON.stringify(record.scopes),
        secret_hash: record.secretHash,
        created_at: record.createdAt,
        expires_at: record.expiresAt,
        last_used_at: record.lastUsedAt,
      })
      .execute()
  }

  async touch(id: KeyId, at: number): Promise<void> {
    await this.#database.updateTable('control_keys').set({ last_used_at: at }).where('id', '=', id).execute()
  }

  async remove(org: OrgId, id: KeyId): Promise<boolean> {
    return await removeRow(
      this.#database.deleteFrom('control_keys').where('org_id', '=', org).where('id', '=', id),
    )
  }
}

function keyOf(row: Tables['control_keys']): KeyRecord {
  return {
    id: row.id as KeyId,
    org: row.org_id as OrgId,
    user: row.user_id,
    name: row.name,
    scopes: JSON.parse(row.scopes) as readonly Scope[],
    secretHash: row.secret_hash,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  }
}

export class OrgRows implements OrgWrites {
  readonly #database: Database
  readonly #session: Session

  constructor(database: Database, session: Session) {
    this.#database = database
    this.#session = session
  }

  async byId(id: OrgId): Promise<OrgRecord | undefined> {
    const row = await this.#database
      .selectFrom('control_orgs')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst()
    return row && orgOf(row)
  }

  async any(): Promise<OrgRecord | undefined> {
    // There is no row to lock: whoever finds none is alone with the table until its transaction ends.
    if (this.#session.locksRows)
      await sql`LOCK TABLE control_orgs IN SHARE ROW EXCLUSIVE MODE`.execute(this.#database)
    const row = await this.#database
      .selectFrom('control_orgs')
      .selectAll()
      .orderBy('created_at')
      .limit(1)
      .executeTakeFirst()
    return row && orgOf(row)
  }

  async insert(org: OrgRecord, user: string): Promise<void> {
    const { id, name, createdAt } = org
    await this.#database.insertInto('control_orgs').values({ id, name, created_at: createdAt }).execute()
    await this.#database
      .insertInto('control_users')
      .values({ id: user, org_id: id, name: 'admin', created_at: createdAt })
      .execute()
  }
}

function orgOf(row: Tables['control_orgs']): OrgRecord {
  return { id: row.id as OrgId, name: row.name, createdAt: row.created_at }
}
