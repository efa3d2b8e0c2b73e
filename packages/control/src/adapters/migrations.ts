import { Failure } from '@holdfast/base/failure'
import { type Kysely, sql } from 'kysely'
import type { Database, Tables } from './tables.ts'

type Migration = (database: Kysely<Tables>) => Promise<void>

/** Each is run once, in this order, in one transaction; the version of a database is how many it has seen. */
const MIGRATIONS: readonly Migration[] = [
  tenants,
  workspaces,
  commands,
  events,
  platform,
  exposures,
  retention,
]

/** Brings a database to the present version. Rejects with `version-unknown` for one that a newer Holdfast has changed. */
export async function migrate(database: Database): Promise<void> {
  await database.schema
    .createTable('control_schema')
    .ifNotExists()
    .addColumn('version', 'integer', (column) => column.notNull())
    .execute()
  const row = await database.selectFrom('control_schema').select('version').executeTakeFirst()
  const version = row?.version ?? 0
  if (version > MIGRATIONS.length)
    throw new Failure('version-unknown', `the database has version ${version}, this is ${MIGRATIONS.length}`)
  for (const migration of MIGRATIONS.slice(version)) await migration(database)
  await database.deleteFrom('control_schema').execute()
  await database.insertInto('control_schema').values({ version: MIGRATIONS.length }).execute()
}

async function tenants({ schema }: Database): Promise<void> {
  await schema
    .createTable('control_orgs')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute()
  await schema
    .createTable('control_users')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('org_id', 'text', (column) => column.notNull().references('control_orgs.id'))
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute()
  await schema
    .createTable('control_keys')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('org_id', 'text', (column) => column.notNull().references('control_orgs.id'))
    .addColumn('user_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('scopes', 'text', (column) => column.notNull())
    .addColumn('secret_hash', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint')
    .addColumn('last_used_at', 'bigint')
    .execute()
}

async function workspaces({ schema }: Database): Promise<void> {
  await schema
    .createTable('control_workspaces')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('org_id', 'text', (column) => column.notNull().references('control_orgs.id'))
    .addColumn('name', 'text')
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('host_id', 'text')
    .addColumn('parent_id', 'text')
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('archived_at', 'bigint')
    .addColumn('removed_at', 'bigint')
    .addColumn('due_at', 'bigint')
    .addColumn('document', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createIndex('control_workspaces_name')
    .on('control_workspaces')
    .columns(['org_id', 'name'])
    .unique()
    .where(sql.ref('removed_at'), 'is', null)
    .execute()
  await index(schema, 'control_workspaces', ['org_id', 'created_at', 'id'])
  await index(schema, 'control_workspaces', ['due_at'])
  await index(schema, 'control_workspaces', ['host_id'])
  await index(schema, 'control_workspaces', ['status'])
  await index(schema, 'control_workspaces', ['parent_id'])
  await schema
    .createTable('control_workspace_labels')
    .addColumn('workspace_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('value', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('control_workspace_labels_key', ['workspace_id', 'name'])
    .execute()
  await schema
    .createTable('control_facts')
    .addColumn('workspace_id', 'text', (column) => column.primaryKey())
    .addColumn('host_id', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .execute()
}

async function commands({ schema }: Database): Promise<void> {
  await schema
    .createTable('control_execs')
    .addColumn('workspace_id', 'text', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('ended_at', 'bigint')
    .addColumn('document', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('control_execs_key', ['workspace_id', 'id'])
    .execute()
  await index(schema, 'control_execs', ['workspace_id', 'created_at', 'id'])
  await schema
    .createIndex('control_execs_running')
    .on('control_execs')
    .column('workspace_id')
    .where(sql.ref('status'), '=', sql.lit('running'))
    .execute()
  await schema
    .createTable('control_exposures')
    .addColumn('workspace_id', 'text', (column) => column.notNull())
    .addColumn('port', 'integer', (column) => column.notNull())
    .addColumn('org_id', 'text', (column) => column.notNull())
    .addColumn('access', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('control_exposures_key', ['workspace_id', 'port'])
    .execute()
  await schema
    .createTable('control_services')
    .addColumn('workspace_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('control_services_key', ['workspace_id', 'name'])
    .execute()
}

async function events(database: Database): Promise<void> {
  const { schema } = database
  await schema
    .createTable('control_events')
    .addColumn('id', 'bigint', (column) => column.primaryKey())
    .addColumn('org_id', 'text', (column) => column.notNull())
    .addColumn('workspace_id', 'text')
    .addColumn('category', 'text', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('source', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('payload', 'text', (column) => column.notNull())
    .addColumn('previous_hash', 'text')
    .addColumn('hash', 'text')
    .execute()
  await index(schema, 'control_events', ['org_id', 'category', 'id'])
  await index(schema, 'control_events', ['workspace_id', 'category', 'id'])
  await schema
    .createTable('control_sequencer')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', 'bigint', (column) => column.notNull())
    .execute()
  await database.insertInto('control_sequencer').values({ name: 'events', value: 0 }).execute()
  await schema
    .createTable('control_audit_heads')
    .addColumn('org_id', 'text', (column) => column.primaryKey())
    .addColumn('rows', 'bigint', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('control_reports')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .execute()
  await index(schema, 'control_reports', ['at'])
}

async function platform({ schema }: Database): Promise<void> {
  await schema
    .createTable('control_answers')
    .addColumn('org_id', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('fingerprint', 'text', (column) => column.notNull())
    .addColumn('status', 'integer', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('control_answers_key', ['org_id', 'key'])
    .execute()
  await index(schema, 'control_answers', ['expires_at'])
  await schema
    .createTable('control_hosts')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('document', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('control_drills')
    .addColumn('id', 'bigint', (column) => column.primaryKey())
    .addColumn('org_id', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .execute()
  await index(schema, 'control_drills', ['org_id', 'id'])
}

/** Those that are there have the empty id: no token was minted for it. */
async function exposures({ schema }: Database): Promise<void> {
  await schema
    .alterTable('control_exposures')
    .addColumn('id', 'text', (column) => column.notNull().defaultTo(''))
    .execute()
}

/** Ended commands and old activity are looked for by age; how far activity was removed is told to who resumes. */
async function retention(database: Database): Promise<void> {
  await index(database.schema, 'control_execs', ['ended_at'])
  await database.insertInto('control_sequencer').values({ name: 'events-removed', value: 0 }).execute()
}

async function index(
  schema: Database['schema'],
  table: keyof Tables,
  columns: readonly string[],
): Promise<void> {
  await schema
    .createIndex(`${table}_${columns.join('_')}`)
    .on(table)
    .columns([...columns])
    .execute()
}
