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

test('after a boot that nothing was stopped for, status and watch say so until a commit has read every file', async () => {
  const record = readdirSync(join(bench.home, 'dirs'))
    .filter((workspace) => pathOf(workspace) === project)
    .map((workspace) => join(bench.home, 'dirs', workspace, 'volume.json'))
  const [log = ''] = record
  writeFileSync(log, readFileSync(log, 'utf8').replace(/"bootId": "[^"]*"/, '"bootId": "another"'))
  for (let look = 0; look < 2; look++)
    assert.match(await bench.printed('dir', 'status', project), /in use when the machine went down/)
  const watched = await bench.hold('dir', 'watch', project, '--', 'true')
  assert.match(watched.stderr, /hold: the volume was in use when the machine went down/)
  assert.doesNotMatch(await bench.printed('dir', 'status', project), /went down/)
  const again = await bench.hold('dir', 'watch', project, '--', 'true')
  assert.doesNotMatch(again.stderr, /went down/)
})

function pathOf(workspace: string): unknown {
  return JSON.parse(readFileSync(join(bench.home, 'dirs', workspace, 'directory.json'), 'utf8')).path
}
