import assert from 'node:assert/strict'
import { readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { BrowseWorld, refuses } from './browse-world.fixture.ts'

test('a file of a generation is sent byte for byte, whole or in part', async () => {
  await using world = await BrowseWorld.open({ sealKey: Buffer.alloc(32, 3) })
  const next = seededNumbers(4)
  const noise = Buffer.from(Array.from({ length: 1_500_000 }, () => next() * 256))
  world.write('noise', noise)
  world.write('empty', '')
  world.write('sparse', 'head')
  truncateSync(join(world.source, 'sparse'), 3_000_000)
  world.sql('app.db', 'CREATE TABLE t (a); INSERT INTO t VALUES (1)')
  world.write(Buffer.from([0x62, 0xff]), 'binary name')
  const generation = await world.commit()
  world.write('noise', 'changed since')
  const whole = await world.file({ generation, path: 'noise' })
  assert.equal(whole.status, 200)
  assert.ok(whole.bytes.equals(noise))
  for (const [range, start, end] of [
    ['bytes=0-0', 0, 1],
    ['bytes=700000-900000', 700_000, 900_001],
    ['bytes=1499999-', 1_499_999, 1_500_000],
    ['bytes=-10', 1_499_990, 1_500_000],
    ['bytes=5-99999999', 5, 1_500_000],
  ] as const) {
    const part = await world.file({ generation, path: 'noise' }, range)
    assert.equal(part.status, 206)
    assert.equal(part.headers['content-range'], `bytes ${start}-${end - 1}/1500000`)
    assert.ok(part.bytes.equals(noise.subarray(start, end)), range)
  }
  for (const range of ['bytes=0-1,4-5', 'lines=1-2', 'bytes=-'])
    assert.equal((await world.file({ generation, path: 'noise' }, range)).status, 200, range)
  await refuses(world.file({ generation, path: 'noise' }, 'bytes=1500000-'), 'invalid-argument')
  assert.equal((await world.file({ generation, path: 'empty' })).bytes.length, 0)
  const hole = await world.file({ generation, path: 'sparse' }, 'bytes=2-2999999')
  assert.ok(hole.bytes.equals(Buffer.concat([Buffer.from('ad'), Buffer.alloc(2_999_996)])))
  assert.equal((await world.file({ generation, path: 'b\\xff' })).bytes.toString(), 'binary name')
  const database = await world.file({ generation, path: 'app.db' })
  assert.ok(database.bytes.equals(readFileSync(join(world.source, 'app.db'))))
  const page = await world.file({ generation, path: 'app.db' }, 'bytes=0-15')
  assert.equal(page.bytes.toString('latin1'), 'SQLite format 3\0')
  await refuses(world.file({ generation, path: '.' }), 'invalid-argument', /directory/)
  await refuses(world.file({ generation, path: 'gone' }), 'not-found')
})
