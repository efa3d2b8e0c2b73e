import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HomeForTest } from './installation.fixture.ts'

const LIMIT = { timeout: 120_000 }

test(
  'history is read, carried away and proven through the API, whether the workspace runs or not',
  LIMIT,
  async () => {
    await using home = new HomeForTest()
    await home.up()
    assert.equal((await home.ask('POST /workspaces?wait=30s', { name: 'box' })).body.status, 'idle')
    await home.run('box', 'sh', '-c', 'mkdir src; seq 1 50000 > src/numbers; echo one > a')
    const { generation: first } = (await home.ask('POST /workspaces/box/sync', {})).body
    await home.run(
      'box',
      'python3',
      '-c',
      "import sqlite3 as s; c=s.connect('d.db'); c.execute('create table t(a)'); c.execute('insert into t values (7)'); c.commit()",
    )
    await home.run('box', 'sh', '-c', 'echo two > a')
    await home.ask('POST /workspaces/box/sync', {})
    await reads(home, first)
    await home.ask('POST /workspaces/box/stop?wait=30s', {})
    await reads(home, first)

    const bundle = await home.ask('POST /workspaces/box/export')
    assert.deepEqual([bundle.status, bundle.headers.get('content-type')], [200, 'application/x-tar'])
    const imported = await home.ask('POST /workspaces/import?name=copy', bundle.bytes)
    assert.deepEqual([imported.status, imported.body.status], [201, 'stopped'])
    assert.equal((await home.ask('POST /workspaces/import?name=copy', bundle.bytes)).status, 409)
    assert.equal(
      (await home.ask('GET /workspaces/copy/generations/head/files?path=a')).bytes.toString(),
      'two\n',
    )
    assert.equal(await home.run('copy', 'cat', '/workspace/a'), 'two\n')

    const file = `${home.path}/box.hold`
    await home.hold('export', 'box', file, '--at', String(first.sequence))
    await home.hold('import', file, 'old')
    assert.equal(await home.hold('files', 'cat', 'old', 'a', '--at', 'head'), 'one\n')
    assert.equal(await home.hold('files', 'ls', 'old', '-q', '--at', '1'), 'a\nsrc\n')
    assert.match(await home.hold('diff', 'box'), /~ a/)
    assert.match(await home.hold('drill', 'old'), /is verified/)
    const { last_drill: drill } = await home.until(
      'GET /workspaces/box',
      ({ last_drill }) => last_drill !== null,
    )
    assert.equal(drill.outcome, 'verified')
    const { items } = (await home.ask('GET /drills')).body
    assert.ok(items.some(({ workspace_id }: { workspace_id: string }) => workspace_id === drill.workspace_id))
    await toldOnce(home)
  },
)

async function reads(
  home: HomeForTest,
  first: { readonly id: string; readonly sequence: number },
): Promise<void> {
  const at = `/workspaces/box/generations/${first.sequence}`
  const names = async (path: string) =>
    (await home.ask(`GET ${at}/files?path=${path}`)).body.entries.map(({ name }: { name: string }) => name)
  assert.deepEqual(await names('.'), ['a', 'src'])
  assert.deepEqual(await names('/workspace/src'), ['numbers'])
  const file = await home.ask(`GET ${at}/files?path=a`)
  assert.equal(file.bytes.toString(), 'one\n')
  assert.equal((await home.ask(`GET ${at}/files?path=src/numbers`)).bytes.length, 288_894)
  assert.equal((await home.ask(`GET ${at}/files?path=../etc`)).body.error.code, 'invalid_argument')
  assert.equal((await home.ask(`GET ${at}/files?path=gone`)).body.error.code, 'not_found')
  const { body: diff } = await home.ask(`GET /workspaces/box/generations/head/diff?from=${first.id}`)
  const paths = diff.entries.map(({ path, change }: { path: string; change: string }) => `${change} ${path}`)
  assert.deepEqual([paths, diff.is_whole], [['changed a', 'added d.db'], true])
  assert.deepEqual(diff.databases[0].tables, [{ name: 't', rows_before: null, rows_after: 1 }])
  const asked = `path=d.db&sql=${encodeURIComponent('select a from t')}`
  const { body: answer } = await home.ask(`GET /workspaces/box/generations/head/sqlite?${asked}`)
  assert.deepEqual(answer, { columns: ['a'], rows: [[7]], is_whole: true })
}

/** Every generation of the workspace has one event. */
async function toldOnce(home: HomeForTest): Promise<void> {
  const { items: generations } = (await home.ask('GET /workspaces/box/generations?limit=100')).body
  const told = ({
    items,
  }: {
    readonly items: readonly { type: string; payload: { generation: string } }[]
  }) => items.filter(({ type }) => type === 'generation_committed').map(({ payload }) => payload.generation)
  const activity = 'GET /workspaces/box/activity?limit=200'
  const body = await home.until(activity, (page) => told(page).length >= generations.length)
  assert.deepEqual(told(body).sort(), generations.map(({ id }: { id: string }) => id).sort())
}
