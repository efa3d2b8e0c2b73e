import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import { SqliteStore } from './sqlite-store.ts'
import { type OpenedStore, storeConformance } from './store-conformance.fixture.ts'

async function open(): Promise<OpenedStore & { readonly path: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-store-'))
  const path = join(directory, 'control.db')
  const store = await SqliteStore.open(path)
  return {
    store,
    path,
    tamper: async (sql) => {
      using database = new DatabaseSync(path)
      database.exec(sql)
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]()
      rmSync(directory, { recursive: true })
    },
  }
}

storeConformance('sqlite', open)

test('transactions of one turn of the event loop share a commit', async () => {
  await using opened = await open()
  let commits = 0
  opened.store.onCommitted(() => commits++)
  const org = { name: 'o', createdAt: 1 }
  await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      opened.store.write(async (changes) => {
        await changes.orgs.insert({ ...org, id: `org_${index}` as never }, `u${index}`)
        changes.emit({
          ...{ category: 'audit', type: 't', org: `org_${index}` as never, workspace: null, actor: 'a' },
          ...{ source: 'control', at: 1, payload: {} },
        })
      }),
    ),
  )
  assert.equal(commits, 1)
})

test('a database of a newer version is refused', async () => {
  await using opened = await open()
  await opened.tamper('UPDATE control_schema SET version = 1000')
  await assert.rejects(SqliteStore.open(opened.path), { code: 'version-unknown' })
})

test('a database of an earlier version is brought to this one, and keeps what it has', async () => {
  await using opened = await open()
  const workspace = WorkspaceId.parse(`ws_${'0'.repeat(26)}`)
  const org = OrgId.parse(`org_${'0'.repeat(26)}`)
  const exposure = { id: 'exp', workspace, org, port: 80, access: 'private', createdAt: 1 } as const
  await opened.store.write((changes) => changes.exposures.put(exposure))
  await opened.tamper(
    'ALTER TABLE control_exposures DROP COLUMN id; DROP INDEX control_execs_ended_at;' +
      "DELETE FROM control_sequencer WHERE name = 'events-removed'; UPDATE control_schema SET version = 5",
  )
  await using again = await SqliteStore.open(opened.path)
  assert.deepEqual(await again.read.exposures.find(workspace, 80), { ...exposure, id: '' })
})
