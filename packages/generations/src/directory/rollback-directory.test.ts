import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { makeRandomTree } from '@holdfast/testkit/random-tree'
import { assertSameTree } from '@holdfast/testkit/tree-facts'
import { SNAPSHOTS_MAX } from '../volume/snapshot-log.ts'
import { KeptDirectory } from './kept-directory.fixture.ts'
import { localSnapshot } from './local-generations.ts'
import { makeStaging } from './restore-staging.ts'
import { removeAside, rollbackDirectory } from './rollback-directory.ts'

/** Above the largest that a kernel gives out. */
const PID_NEVER = 2 ** 22 + 1

for (const volume of ['live', 'btrfs'] as const) {
  describe(`a rollback on a ${volume} volume`, () => {
    test('brings the old tree back, keeps all history, and leaves nothing for the next commit to do', async () => {
      await using kept = await KeptDirectory.make(volume)
      await makeRandomTree(kept.deps.holdfs, kept.path, { seed: 5, names: 120 })
      makeDatabase(join(kept.path, 'rows.db'), 50)
      const first = await kept.committed()
      writeFileSync(join(kept.path, 'rows.db'), 'not a database any more')
      writeFileSync(join(kept.path, 'uncommitted'), 'precious')
      const rolledBack = await rollbackDirectory(kept.directory, { generation: first })
      assert.equal(rolledBack.generation.root, first.root)
      assert.equal(rolledBack.generation.cause, 'rollback')
      assert.equal(existsSync(join(kept.path, 'uncommitted')), false)
      await assertSameTree(kept.deps.holdfs, kept.path, await kept.restored(first))
      assert.equal((await kept.commit()).kind, 'unchanged')
      const before = rolledBack.before ?? assert.fail('what was there is committed')
      assert.equal(readFileSync(join(await kept.restored(before), 'uncommitted'), 'utf8'), 'precious')
      await removeAside(rolledBack)
      const beside = readdirSync(dirname(kept.path)).filter((name) => name.startsWith('.'))
      assert.deepEqual(beside, [])
      const history = await kept.directory.history(10)
      assert.deepEqual(
        history.map(({ cause, sequence }) => `${sequence} ${cause}`),
        ['3 rollback', '2 sync', '1 sync'],
      )
    })

    test('goes on as if nothing had happened: the next changes are found, and only these are stored', async () => {
      await using kept = await KeptDirectory.make(volume)
      writeFileSync(join(kept.path, 'large'), Buffer.alloc(3 << 20, 'large'))
      makeDatabase(join(kept.path, 'rows.db'), 2000)
      mkdirSync(join(kept.path, 'sub'))
      for (const name of ['a', 'b', 'c']) writeFileSync(join(kept.path, name), name)
      linkSync(join(kept.path, 'a'), join(kept.path, 'sub', 'other-a'))
      const first = await kept.committed()
      rmSync(join(kept.path, 'sub'), { recursive: true })
      await rollbackDirectory(kept.directory, { generation: first })
      writeFileSync(join(kept.path, 'a'), 'changed under one name')
      insertRows(join(kept.path, 'rows.db'), 1)
      const next = await kept.commit()
      assert.equal(next.kind, 'committed')
      if (next.kind !== 'committed') return
      assert.ok(next.generation.newBytes < 40_000, `${next.generation.newBytes} bytes`)
      const restored = await kept.restored(await kept.directory.find())
      assert.equal(readFileSync(join(restored, 'sub', 'other-a'), 'utf8'), 'changed under one name')
      await assertSameTree(kept.deps.holdfs, restored, kept.path)
    })

    test('is refused while another process writes the history, and changes nothing', async () => {
      await using kept = await KeptDirectory.make(volume)
      writeFileSync(join(kept.path, 'file'), 'one')
      const first = await kept.committed()
      writeFileSync(join(kept.path, 'file'), 'two')
      using _writer = await kept.directory.openWriter()
      await assert.rejects(rollbackDirectory(kept.directory, { generation: first }), (error) =>
        isFailure(error, 'lease-held'),
      )
      assert.equal(readFileSync(join(kept.path, 'file'), 'utf8'), 'two')
    })

    test('to a generation that was dropped is refused, and changes nothing', async () => {
      await using kept = await KeptDirectory.make(volume)
      writeFileSync(join(kept.path, 'file'), 'one')
      const first = await kept.committed()
      writeFileSync(join(kept.path, 'file'), 'two')
      await kept.commit()
      await kept.directory.index.dropGenerations([first.id])
      await assert.rejects(rollbackDirectory(kept.directory, { generation: first }), (error) =>
        isFailure(error, 'not-found', 'chunk-missing'),
      )
      assert.equal(readFileSync(join(kept.path, 'file'), 'utf8'), 'two')
      assert.deepEqual(hiddenBeside(kept), [])
      assert.equal((await kept.commit()).kind, 'unchanged')
    })
  })
}

describe('a rollback on a btrfs volume alone', () => {
  test('to a generation without a local snapshot restores it from the store', async () => {
    await using kept = await KeptDirectory.make('btrfs')
    writeFileSync(join(kept.path, 'file'), '0')
    const first = await kept.committed()
    for (let round = 1; round <= SNAPSHOTS_MAX; round++) {
      writeFileSync(join(kept.path, 'file'), String(round))
      await kept.commit()
    }
    assert.equal(await localSnapshot(kept.directory, first.id), undefined)
    await rollbackDirectory(kept.directory, { generation: first })
    assert.equal(readFileSync(join(kept.path, 'file'), 'utf8'), '0')
    assert.equal((await kept.commit()).kind, 'unchanged')
    writeFileSync(join(kept.path, 'file'), 'after')
    assert.equal((await kept.commit()).kind, 'committed')
  })

  test('is refused while a process works in the directory, and forced away from it', async () => {
    await using kept = await KeptDirectory.make('btrfs')
    writeFileSync(join(kept.path, 'file'), 'one')
    const first = await kept.committed()
    writeFileSync(join(kept.path, 'file'), 'two')
    const user = spawn('sleep', ['60'], { cwd: kept.path, stdio: 'ignore' })
    try {
      await once(user, 'spawn')
      await assert.rejects(rollbackDirectory(kept.directory, { generation: first }), (error) => {
        return isFailure(error, 'lease-held') && String(error.details.pids).includes(String(user.pid))
      })
      assert.equal(readFileSync(join(kept.path, 'file'), 'utf8'), 'two')
      await rollbackDirectory(kept.directory, { generation: first, force: true })
      assert.equal(readFileSync(join(kept.path, 'file'), 'utf8'), 'one')
    } finally {
      user.kill('SIGKILL')
      await once(user, 'exit')
    }
    assert.equal((await kept.commit()).kind, 'unchanged')
  })
})

describe('a rollback that was killed', () => {
  test('leaves nothing beside the directory once the next one or a restore there is done', async () => {
    await using kept = await KeptDirectory.make('live')
    writeFileSync(join(kept.path, 'file'), 'one')
    const first = await kept.committed()
    leaveStaging(kept)
    const running = makeStaging(kept.path, kept.deps.randomness, 'rolling-back')
    await removeAside(await rollbackDirectory(kept.directory, { generation: first }))
    assert.deepEqual(hiddenBeside(kept), [basename(running)])
    rmSync(running, { recursive: true })
    leaveStaging(kept)
    rmSync(kept.path, { recursive: true })
    await kept.directory.restore({ generation: first, path: kept.path })
    assert.deepEqual(hiddenBeside(kept), [])
  })
})

/** Puts there what a rollback had begun whose process is gone. */
function leaveStaging(kept: KeptDirectory): void {
  const made = makeStaging(kept.path, kept.deps.randomness, 'rolling-back')
  writeFileSync(join(made, 'half'), 'half')
  renameSync(made, made.replace(`-${process.pid}-`, `-${PID_NEVER}-`))
}

function hiddenBeside(kept: KeptDirectory): string[] {
  return readdirSync(dirname(kept.path)).filter((name) => name.startsWith('.'))
}

function makeDatabase(path: string, rows: number): void {
  using database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = wal; CREATE TABLE rows (n INTEGER PRIMARY KEY, filler BLOB)')
  fill(database, rows)
}

function insertRows(path: string, rows: number): void {
  using database = new DatabaseSync(path)
  fill(database, rows)
}

function fill(database: DatabaseSync, rows: number): void {
  database.exec('BEGIN')
  const insert = database.prepare('INSERT INTO rows (filler) VALUES (randomblob(200))')
  for (let made = 0; made < rows; made++) insert.run()
  database.exec('COMMIT')
}
