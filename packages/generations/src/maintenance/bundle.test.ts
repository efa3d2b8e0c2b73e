import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { createFrameSeal } from '../format/frame-seal.ts'
import type { GenerationRow } from '../index/generation-index.ts'
import { exportBundle } from './export-bundle.ts'
import { importBundle } from './import-bundle.ts'
import { ORG, World, type WorldWorkspace } from './world.fixture.ts'

async function fill(workspace: WorldWorkspace): Promise<void> {
  const next = seededNumbers(2)
  workspace.write('noise', Buffer.from(Array.from({ length: 700_000 }, () => next() * 256)))
  for (let made = 0; made < 4; made++) {
    workspace.write(`d${made}/text`, `some words ${made} `.repeat(3000))
    using database = new DatabaseSync(join(workspace.path, 'app.db'))
    database.exec('CREATE TABLE IF NOT EXISTS t (x)')
    database.exec(`INSERT INTO t VALUES (${made})`)
    await workspace.commit({ message: `commit ${made}` })
  }
}

async function rows(world: World, workspace: string): Promise<readonly GenerationRow[]> {
  return (await world.index.history(workspace, { limit: 99 })).toReversed()
}

test('what is exported and imported elsewhere is equal, generation by generation', async () => {
  for (const sealKey of [undefined, Buffer.alloc(32, 4)]) {
    await using source = await World.make(sealKey ? { sealKey } : {})
    await using target = await World.make({ sealKey: Buffer.alloc(32, 5) })
    const workspace = await source.workspace('ws-1')
    await fill(workspace)
    const path = join(source.path, 'history.bundle')
    const generations = await rows(source, 'ws-1')
    const exported = await exportBundle(source.deps, { org: ORG, generations, path })
    assert.equal(exported.generations, 4)
    const imported = await importBundle(target.deps, {
      org: ORG,
      workspace: 'ws-new',
      path,
      bundleCoding: source.coding,
    })
    const found = await rows(target, 'ws-new')
    assert.deepEqual(
      found.map(({ id }) => id),
      imported.generations,
    )
    assert.deepEqual(
      found.map(({ root, message, createdAt, cause, sequence }) => ({
        root,
        message,
        createdAt,
        cause,
        sequence,
      })),
      generations.map(({ root, message, createdAt, sequence }) => ({
        root,
        message,
        createdAt,
        cause: 'import',
        sequence,
      })),
    )
    const [first, , , last] = found
    assert.ok(first && last)
    assert.deepEqual(await target.restored(last), await source.restored(generations[3] ?? last))
    assert.deepEqual(await target.stored(first), await source.stored(generations[0] ?? first))
  }
})

test('a bundle of one generation holds its chunks and no others, and standard tools can check it', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  const next = seededNumbers(6)
  workspace.write('secret', Buffer.from(Array.from({ length: 100_000 }, () => next() * 256)))
  await workspace.commit()
  workspace.remove('secret')
  workspace.write('kept', 'kept')
  await workspace.commit()
  const path = join(world.path, 'one.bundle')
  const generations = (await rows(world, 'ws-1')).slice(-1)
  await exportBundle(world.deps, { org: ORG, generations, path })
  assert.ok(statSync(path).size < 40_000)
  execFileSync('tar', ['-xf', path, '-C', world.path])
  const check = execFileSync('sha256sum', ['-c', 'SHA256SUMS'], { cwd: world.path, encoding: 'utf8' })
  assert.doesNotMatch(check, /FAILED/)
  const again = exportBundle(world.deps, { org: ORG, generations, path })
  await assert.rejects(again, (error) => isFailure(error, 'already-exists'))
})

test('every bit turned over in a bundle, and every truncation, is found before anything is imported', async () => {
  await using world = await World.make()
  const workspace = await world.workspace('ws-1')
  workspace.write('a', 'some words '.repeat(100))
  await workspace.commit()
  const path = join(world.path, 'whole.bundle')
  await exportBundle(world.deps, { org: ORG, generations: await rows(world, 'ws-1'), path })
  const whole = readFileSync(path)
  const damaged = join(world.path, 'damaged.bundle')
  const request = { org: ORG, workspace: 'ws-new', path: damaged, bundleCoding: world.coding }
  const next = seededNumbers(8)
  const refuses = async (bytes: Uint8Array, what: string) => {
    writeFileSync(damaged, bytes)
    await assert.rejects(
      importBundle(world.deps, request),
      (error) => isFailure(error, 'object-corrupt', 'foreign-format', 'version-unknown'),
      what,
    )
  }
  for (let flip = 0; flip < 300; flip++) {
    const bit = Math.floor(next() * whole.length * 8)
    const bytes = Buffer.from(whole)
    bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    await refuses(bytes, `bit ${bit}`)
  }
  for (let cut = 0; cut < 30; cut++)
    await refuses(whole.subarray(0, Math.floor(next() * whole.length)), 'cut')
  await refuses(Buffer.concat([whole, Buffer.alloc(512)]), 'longer')
  assert.equal((await world.index.workspaces(ORG)).length, 1)
})

test('a sealed bundle opens with its key only, and no half of a file is left behind', async () => {
  await using world = await World.make({ sealKey: Buffer.alloc(32, 4) })
  const workspace = await world.workspace('ws-1')
  workspace.write('a', 'some words '.repeat(100))
  await workspace.commit()
  const path = join(world.path, 'sealed.bundle')
  await exportBundle(world.deps, { org: ORG, generations: await rows(world, 'ws-1'), path })
  for (const seal of [null, createFrameSeal(Buffer.alloc(32, 9))]) {
    const request = { org: ORG, workspace: `ws-${seal === null}`, path, bundleCoding: { seal } }
    await assert.rejects(importBundle(world.deps, request), (error) => isFailure(error, 'wrong-key'))
  }
  const broken = { ...world.deps, randomness: world.deps.randomness, coding: { seal: null } }
  const other = join(world.path, 'other.bundle')
  await assert.rejects(
    exportBundle(broken, { org: ORG, generations: await rows(world, 'ws-1'), path: other }),
  )
  assert.equal(existsSync(other), false)
})
