import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { mountAt } from '@holdfast/generations/volume/mount-table'
import { Workbench } from '../../workbench.fixture.ts'

/** The words behind `hold` of the command that a forget names. */
function comeBack(printed: string): string[] {
  const [, line = ''] = /To go on with it: hold (.*)\n/.exec(printed) ?? []
  return line.split(' ')
}

test('a directory that was forgotten goes on with its history as it says, and without it too', async () => {
  using bench = new Workbench()
  bench.write('a.txt', 'one')
  await bench.printed('dir', 'init', bench.project, '--new-key', join(bench.path, 'key'))
  await bench.printed('dir', 'commit', bench.project)
  const forgotten = await bench.printed('dir', 'forget', bench.project, '--yes')
  assert.match(forgotten, /its files are as they were/)
  assert.equal(readFileSync(join(bench.project, 'a.txt'), 'utf8'), 'one')
  assert.equal((await bench.hold('dir', 'history', bench.project)).exitCode, 1)
  await bench.printed(...comeBack(forgotten))
  bench.write('a.txt', 'two')
  assert.match(await bench.printed('dir', 'commit', bench.project), /generation 2/)
  rmSync(bench.project, { recursive: true })
  await bench.printed('dir', 'restore', bench.project, '--at', '1')
  assert.equal(readFileSync(join(bench.project, 'a.txt'), 'utf8'), 'one')
  await bench.printed('dir', 'forget', bench.project, '--yes')
  await bench.printed('dir', 'init', bench.project)
  assert.match(await bench.printed('dir', 'commit', bench.project), /generation 1/)
})

test('the history of a forgotten directory is taken up from the store where its home is gone', async () => {
  using bench = new Workbench()
  bench.write('a.txt', 'one')
  const store = join(bench.path, 'elsewhere')
  await bench.printed('dir', 'init', bench.project, '--store', store)
  await bench.printed('dir', 'commit', bench.project)
  const forgotten = await bench.printed('dir', 'forget', bench.project, '--yes')
  for (const gone of [bench.home, bench.project]) rmSync(gone, { recursive: true })
  await bench.printed(...comeBack(forgotten))
  await bench.printed('dir', 'restore', bench.project)
  assert.equal(readFileSync(join(bench.project, 'a.txt'), 'utf8'), 'one')
})

test('forget asks at a terminal, and elsewhere wants --yes', async () => {
  using bench = new Workbench()
  await bench.printed('dir', 'init', bench.project)
  const alone = await bench.hold('dir', 'forget', bench.project, '-o', 'json')
  assert.equal(JSON.parse(alone.stderr).error.code, 'invalid-argument')
  assert.equal((await bench.holdWith({ answer: '' }, 'dir', 'forget', bench.project)).exitCode, 2)
  await bench.printed('dir', 'history', bench.project)
  assert.equal((await bench.holdWith({ answer: 'y' }, 'dir', 'forget', bench.project)).exitCode, 0)
  assert.equal((await bench.hold('dir', 'history', bench.project)).exitCode, 1)
})

test('a btrfs directory that was forgotten is a plain one with all its files, and its history is kept', async () => {
  using bench = new Workbench()
  try {
    await bench.printed('dir', 'init', bench.project, '--volume', 'btrfs')
    bench.write('a.txt', 'one')
    const told = (await bench.json('dir', 'forget', bench.project, '--yes')) as Record<string, unknown>
    assert.equal(told.files, 'put-back')
    assert.equal(mountAt(bench.project), undefined)
    assert.equal(readFileSync(join(bench.project, 'a.txt'), 'utf8'), 'one')
    await bench.printed(...String(told.comeBack).split(' ').slice(1))
    assert.match(await bench.printed('dir', 'history', bench.project), /before it was forgotten/)
  } finally {
    for (const path of [bench.project, join(bench.home, 'volumes')]) spawnSync('umount', [path])
  }
})
