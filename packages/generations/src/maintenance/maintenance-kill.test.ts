import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { SqliteGenerationIndex } from '../index/sqlite-generation-index.ts'
import { openFolderObjectStore } from '../store/folder-object-store.ts'
import { collectGarbage } from './collect-garbage.ts'
import { compactWorkspace } from './compact-workspace.ts'
import { FAILPOINTS } from './maintenance-deps.ts'
import { verifyStore } from './verify-store.ts'
import { assertRestorable, ORG, World, type WorldWorkspace } from './world.fixture.ts'

const CHILD = fileURLToPath(new URL('./maintenance-child.fixture.ts', import.meta.url))

async function openWorld(path: string): Promise<World> {
  const random = { clock: systemClock, randomness: systemRandomness }
  return World.make({
    store: await openFolderObjectStore(join(path, 'store'), random),
    index: await SqliteGenerationIndex.open({ path: join(path, 'index.sqlite') }),
  })
}

/** A history of small packs with dropped generations: closed again, so that copies of it can be worked on. */
async function makeHistory(path: string): Promise<WorldWorkspace['model']> {
  await using world = await openWorld(path)
  const workspace = await world.workspace('ws-1')
  for (let made = 0; made < 24; made++) {
    workspace.write(`d${made % 3}/f${made % 5}`, `content ${made} `.repeat(50 + made))
    await workspace.commit()
  }
  const dropped = [...workspace.model.keys()].filter((_, index) => index % 4 === 1)
  await world.index.dropGenerations(dropped)
  return workspace.model
}

describe('a maintenance run that is killed with -9', () => {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-kill-'))
  const template = join(root, 'template')
  let model: WorldWorkspace['model']
  before(async () => {
    mkdirSync(template)
    model = await makeHistory(template)
  })
  after(() => rmSync(root, { recursive: true }))

  for (const failpoint of FAILPOINTS) {
    test(`at ${failpoint} leaves every retained generation restorable, and the next run finishes its work`, async () => {
      const path = join(root, failpoint)
      cpSync(template, path, { recursive: true })
      const args = [CHILD, join(path, 'store'), join(path, 'index.sqlite'), ORG, 'ws-1', failpoint]
      const child = spawnSync(process.execPath, args, { encoding: 'utf8' })
      assert.deepEqual([child.signal, child.stdout], ['SIGKILL', ''], child.stderr)
      await using world = await openWorld(path)
      await assertRestorable(world, model)
      const workspace = await world.workspace('ws-1')
      workspace.write('after', 'the history goes on')
      await workspace.commit()
      await compactWorkspace(world.deps, { lease: workspace.lease, always: true })
      await collectGarbage(world.deps, { org: ORG })
      assert.equal((await world.index.packs(ORG, 'condemned')).length, 0)
      const { damaged, unreferenced } = await verifyStore(world.deps, { org: ORG })
      assert.deepEqual(damaged, [])
      assert.ok(unreferenced.every((key) => key.startsWith('packs/')) && unreferenced.length <= 3)
      await assertRestorable(world, model)
      await assertRestorable(world, workspace.model)
    })
  }
})
