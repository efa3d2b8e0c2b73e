import assert from 'node:assert/strict'
import { readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { GenerationId } from '@holdfast/protocol/identifiers'
import { BrowseWorld, refuses } from './browse-world.fixture.ts'

test('a directory of a generation is listed with what its entries are, page by page', async () => {
  await using world = await BrowseWorld.open()
  world.write('src/main.py', 'print(1)\n')
  world.sql('app.db', 'CREATE TABLE t (x)')
  symlinkSync('/etc/passwd', join(world.source, 'link'))
  world.write(Buffer.from([0x62, 0xff]), 'binary name')
  const first = await world.commit()
  const { entry, entries, next } = await world.list(first, '.')
  assert.equal(entry.kind, 'directory')
  assert.equal(next, null)
  assert.deepEqual(
    entries.map(({ name, kind, bytes, target }) => [name, kind, bytes, target]),
    [
      ['app.db', 'database', 8192, null],
      ['b\\xff', 'file', 11, null],
      ['link', 'symlink', 11, '/etc/passwd'],
      ['src', 'directory', 0, null],
    ],
  )
  const names: string[] = []
  for (let after: string | undefined; ; ) {
    const page = await world.list(first, '.', { limit: 1, ...(after === undefined ? {} : { after }) })
    names.push(...page.entries.map(({ name }) => name))
    if (page.next === null) break
    after = page.next
  }
  assert.deepEqual(
    names,
    entries.map(({ name }) => name),
  )
  const behind = await world.list(first, '.', { after: 'c' })
  assert.deepEqual(
    behind.entries.map(({ name }) => name),
    ['link', 'src'],
  )
})

test('a path that names a file, a link or a binary name is told by itself, one that is not there is not found', async () => {
  await using world = await BrowseWorld.open()
  world.write('src/main.py', 'print(1)\n')
  symlinkSync('src', join(world.source, 'link'))
  world.write(Buffer.from([0x62, 0xff]), 'binary name')
  world.write('b\\xfe', 'looks like an escape')
  const id = await world.commit()
  const file = await world.list(id, './/src/main.py')
  assert.deepEqual([file.entry.kind, file.entry.bytes, file.entries], ['file', 9, []])
  assert.equal((await world.list(id, 'b\\xff')).entry.bytes, 11)
  assert.equal((await world.list(id, 'b\\xfe')).entry.bytes, 20)
  assert.deepEqual((await world.list(id, 'link')).entries, [], 'a link is not followed')
  await refuses(world.list(id, 'link/main.py'), 'not-found')
  await refuses(world.list(id, 'src/main.py/x'), 'not-found')
  await refuses(world.list(id, 'gone'), 'not-found')
  await refuses(world.list(id, 'src/../..'), 'invalid-argument', /leads out/)
})

test('generations are shown to their workspace, its org and its forks only', async () => {
  await using world = await BrowseWorld.open()
  await using other = await BrowseWorld.open()
  world.write('a', '1')
  const first = await world.commit()
  world.write('a', '2')
  const second = await world.commit()
  const fork = await world.fork(second)
  const ask = { generation: second, path: '.', limit: 10 }
  const asked = (rest: { workspace: typeof fork; org: typeof world.org; generation?: GenerationId }) =>
    world.client.call('listGenerationFiles', { ...ask, ...rest })
  assert.equal((await asked({ workspace: fork, org: world.org })).entries.length, 1)
  await refuses(asked({ workspace: fork, org: world.org, generation: first }), 'not-found')
  await refuses(asked({ ...world.of, org: other.org }), 'not-found')
  await refuses(asked(other.of), 'not-found')
  await refuses(asked({ ...world.of, generation: GenerationId.parse('0'.repeat(64)) }), 'not-found')
  await world.index.dropGenerations([first])
  await refuses(asked({ ...world.of, generation: first }), 'not-found', /dropped by retention/)
})

test('what intact packs hold is shown beside a pack that is gone', async () => {
  await using world = await BrowseWorld.open()
  world.write('a', '1')
  const first = await world.commit()
  world.write('b', '2')
  const second = await world.commit()
  const { recordPack } = await world.index.generation(second)
  for (const name of readdirSync(world.path, { recursive: true, encoding: 'utf8' }))
    if (name.endsWith(recordPack.slice(-32))) rmSync(join(world.path, name))
  assert.deepEqual(
    (await world.list(first, '.')).entries.map(({ name }) => name),
    ['a'],
  )
  await refuses(world.list(second, '.'), 'chunk-missing')
})
