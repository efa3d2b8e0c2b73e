import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Workbench } from '../../workbench.fixture.ts'

const bench = new Workbench()
const { project } = bench
const fork = join(bench.path, 'fork')

before(async () => {
  const made = await bench.printed('dir', 'init', project, '--volume', 'btrfs')
  assert.match(made, /volume +btrfs\n/)
  bench.write('a.txt', 'one')
  await bench.printed('dir', 'commit', project)
})

after(() => {
  for (const path of [fork, project, join(bench.home, 'volumes')]) spawnSync('umount', [path])
  bench[Symbol.dispose]()
})

test('a btrfs directory forks and rolls back like every other', async () => {
  bench.write('a.txt', 'two')
  assert.match(await bench.printed('dir', 'fork', project, fork), /, btrfs volume\n$/)
  writeFileSync(join(fork, 'a.txt'), 'three')
  await bench.printed('dir', 'rollback', project, '1')
  assert.equal(readFileSync(join(project, 'a.txt'), 'utf8'), 'one')
  assert.equal(readFileSync(join(fork, 'a.txt'), 'utf8'), 'three')
})

test('restore mounts a btrfs directory that is not mounted, and fills one that is empty', async () => {
  bench.write('uncommitted.txt', 'x')
  assert.equal(spawnSync('umount', [project]).status, 0)
  assert.match(await bench.printed('dir', 'restore', project), /^Mounted .*: all that was in it is back\n$/)
  assert.deepEqual(readdirSync(project).sort(), ['a.txt', 'uncommitted.txt'])
  for (const name of readdirSync(project)) rmSync(join(project, name))
  assert.match(await bench.printed('dir', 'restore', project), /^Restored generation /)
  assert.deepEqual(readdirSync(project), ['a.txt'])
})
