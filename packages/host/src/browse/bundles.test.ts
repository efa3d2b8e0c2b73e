import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BundleImported } from '@holdfast/protocol/host-streams'
import { BrowseWorld, refuses } from './browse-world.fixture.ts'

async function fill(world: BrowseWorld): Promise<void> {
  world.write('src/main.py', 'print(1)\n')
  world.sql('app.db', 'CREATE TABLE t (a); INSERT INTO t VALUES (1)')
  await world.commit()
  world.write('src/main.py', 'print(2)\n')
  world.sql('app.db', 'INSERT INTO t VALUES (2)')
  await world.commit()
}

test('a workspace that is exported and imported elsewhere is equal and proven, whatever the keys', async () => {
  for (const sealKey of [undefined, Buffer.alloc(32, 7)]) {
    await using source = await BrowseWorld.open(sealKey ? { sealKey } : {})
    await using target = await BrowseWorld.open({ sealKey: Buffer.alloc(32, 7) })
    await fill(source)
    const { head, generations } = BundleImported.parse(await target.imported(await source.exported()))
    assert.deepEqual([generations, head.sequence, head.cause], [2, 2, 'import'])
    const before = await source.index.history(source.workspace, { limit: 9 })
    const after = await target.index.history(target.workspace, { limit: 9 })
    assert.deepEqual(
      after.map(({ root }) => root),
      before.map(({ root }) => root),
    )
    assert.equal((await target.index.workspace(target.workspace)).head, head.id)
    assert.deepEqual((await target.query({ generation: head.id, path: 'app.db' }, 'SELECT a FROM t')).rows, [
      [1],
      [2],
    ])
    const [newest] = after
    assert.ok(newest)
    assert.equal((await target.drilled(newest)).kind, 'verified')
    for (const world of [source, target]) assert.deepEqual(readdirSync(join(world.scratch, 'bundles')), [])
  }
})

test('one generation can be exported by itself', async () => {
  await using source = await BrowseWorld.open()
  await using target = await BrowseWorld.open()
  await fill(source)
  const [, first] = await source.index.history(source.workspace, { limit: 9 })
  assert.ok(first)
  const { head, generations } = BundleImported.parse(
    await target.imported(await source.exported(source.idOf(first))),
  )
  assert.equal(generations, 1)
  assert.equal(
    (await target.file({ generation: head.id, path: 'src/main.py' })).bytes.toString(),
    'print(1)\n',
  )
})

test('a bundle that was tampered with, sealed with another key, or too large is refused and leaves no generation', async () => {
  await using source = await BrowseWorld.open({ sealKey: Buffer.alloc(32, 1) })
  await using target = await BrowseWorld.open({
    sealKey: Buffer.alloc(32, 1),
    bounds: { bundleBytesMax: 1 << 20 },
  })
  await using stranger = await BrowseWorld.open()
  await fill(source)
  const bundle = await source.exported()
  for (const at of [600, bundle.length >> 1, bundle.length - 2000]) {
    const tampered = Buffer.from(bundle)
    tampered.writeUInt8(tampered.readUInt8(at) ^ 1, at)
    await refuses(target.imported(tampered), 'object-corrupt')
  }
  await refuses(target.imported(bundle.subarray(0, 2000)), 'object-corrupt')
  await refuses(target.imported(Buffer.from('no bundle')), 'object-corrupt')
  await refuses(stranger.imported(bundle), 'wrong-key')
  await refuses(target.imported(Buffer.alloc((1 << 20) + 1)), 'too-large')
  for (const world of [target, stranger])
    assert.equal((await world.index.workspace(world.workspace)).head, null)
  assert.deepEqual(readdirSync(join(target.scratch, 'bundles')), [])
  await target.imported(bundle)
  await refuses(target.imported(bundle), 'invalid-state')
})

test('a workspace without a generation has nothing to export', async () => {
  await using world = await BrowseWorld.open()
  await refuses(world.exported(), 'not-found')
})
