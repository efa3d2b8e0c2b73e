import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { fromText } from '../format/byte-string.ts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import { contentBytes } from '../format/content.ts'
import type { DatabaseEntry } from '../format/entry.ts'
import { findEntry } from '../read/tree-reader.ts'

type Mode = 'wal' | 'delete' | 'truncate' | 'persist'

/** A database that stays open, as an application has it. */
class OpenDatabase implements Disposable {
  readonly path: string
  readonly #database: DatabaseSync
  readonly #next: () => number

  constructor(path: string, mode: Mode, seed = 1) {
    this.path = path
    this.#next = seededNumbers(seed)
    this.#database = new DatabaseSync(path)
    this.#database.exec(
      `PRAGMA journal_mode = ${mode}; PRAGMA wal_autocheckpoint = 40; PRAGMA cache_size = 10`,
    )
    this.#database.exec('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a BLOB)')
  }

  exec(sql: string): void {
    this.#database.exec(sql)
  }

  /** `rows` rows of about 300 bytes, in one transaction. */
  insert(rows: number): void {
    this.#database.exec('BEGIN')
    const insert = this.#database.prepare('INSERT INTO t (a) VALUES (?)')
    for (let row = 0; row < rows; row++) insert.run(`${this.#next()} `.repeat(15))
    this.#database.exec('COMMIT')
  }

  updateOne(): void {
    this.#database
      .prepare('UPDATE t SET a = ? WHERE id = ?')
      .run(`${this.#next()}`, 1 + Math.floor(this.#next() * 50))
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}

/** The entry of a database as it was committed. */
async function databaseEntry(
  workspace: CommittedWorkspace,
  root: string,
  path: string,
): Promise<DatabaseEntry> {
  const entry = await findEntry(await workspace.chunks(), chunkIdFromHex(root), fromText(path))
  return entry?.kind === 'database' ? entry : assert.fail(`${path} is ${entry?.kind ?? 'absent'}`)
}

function deltaBytes(entry: DatabaseEntry): number {
  return entry.deltas.reduce((sum, delta) => sum + contentBytes(delta.content), 0)
}

describe('the page log of a database', () => {
  test('extends by a delta of the pages that a transaction touched', async () => {
    await using workspace = await CommittedWorkspace.open()
    using database = new OpenDatabase(workspace.path('a.db'), 'wal')
    database.insert(3000)
    const first = await databaseEntry(workspace, (await workspace.commitNew()).root, 'a.db')
    assert.equal(first.deltas.length, 0)
    for (let round = 1; round <= 3; round++) {
      database.updateOne()
      const { root, newBytes } = await workspace.commitNew()
      const entry = await databaseEntry(workspace, root, 'a.db')
      assert.deepEqual(entry.base, first.base)
      assert.equal(entry.deltas.length, round)
      assert.ok(newBytes < 40_000, `${newBytes} bytes`)
      await workspace.assertRestores(root)
    }
  })

  test('stays short by merging, and every generation of it is what the database was', async () => {
    await using workspace = await CommittedWorkspace.open()
    using database = new OpenDatabase(workspace.path('a.db'), 'wal')
    database.insert(2000)
    for (let round = 0; round < 70; round++) {
      database.updateOne()
      const { root } = await workspace.commitNew()
      if (round % 10 !== 9) continue
      const { deltas } = await databaseEntry(workspace, root, 'a.db')
      assert.ok(deltas.length <= 21, `${deltas.length} deltas after ${round} commits`)
      const levels = deltas.map(({ level }) => level)
      assert.deepEqual(
        levels,
        levels.toSorted((a, b) => b - a),
      )
      await workspace.assertRestores(root)
    }
  })

  test('starts a new base when it outgrows the database', async () => {
    await using workspace = await CommittedWorkspace.open()
    using database = new OpenDatabase(workspace.path('a.db'), 'delete')
    database.insert(400)
    const first = await databaseEntry(workspace, (await workspace.commitNew()).root, 'a.db')
    let isRebased = false
    for (let round = 0; round < 4; round++) {
      database.exec('UPDATE t SET a = a || id')
      const { root } = await workspace.commitNew()
      const entry = await databaseEntry(workspace, root, 'a.db')
      assert.ok(deltaBytes(entry) <= entry.pageBytes * entry.pageCount)
      isRebased ||= JSON.stringify(entry.base) !== JSON.stringify(first.base)
      await workspace.assertRestores(root)
    }
    assert.ok(isRebased)
  })

  test('starts anew, rightly, when what was remembered is lost', async () => {
    await using workspace = await CommittedWorkspace.open()
    using database = new OpenDatabase(workspace.path('a.db'), 'wal')
    database.insert(500)
    await workspace.commitNew()
    database.updateOne()
    await workspace.commitNew()
    await workspace.reopen()
    database.updateOne()
    const { root } = await workspace.commitNew()
    assert.equal((await databaseEntry(workspace, root, 'a.db')).deltas.length, 0)
    await workspace.assertRestores(root)
  })
})

describe('a database of any journal mode', () => {
  for (const mode of ['wal', 'delete', 'truncate', 'persist'] as const) {
    test(`is restored as SQLite sees it, through growth, shrinking and checkpoints: ${mode}`, async () => {
      await using workspace = await CommittedWorkspace.open()
      mkdirSync(workspace.path('sub'))
      using database = new OpenDatabase(workspace.path('sub/a.db'), mode)
      database.insert(300)
      await workspace.assertRestores((await workspace.commitNew()).root)
      for (const step of [
        () => database.insert(500),
        () => database.exec('DELETE FROM t WHERE id % 3 > 0; VACUUM'),
        () => database.updateOne(),
        () => database.exec('PRAGMA wal_checkpoint(TRUNCATE)'),
        () => database.insert(200),
        () => database.exec('PRAGMA wal_checkpoint(RESTART); UPDATE t SET a = 1 WHERE id < 9'),
        () => database.exec('DELETE FROM t; VACUUM'),
        () => database.insert(900),
      ]) {
        step()
        const { root } = await workspace.commitNew({ always: true })
        if (mode === 'wal' || mode === 'delete') await workspace.assertRestores(root)
      }
      await workspace.assertRestores(workspace.committer.head?.root ?? '')
    })
  }

  test('is one database, counted once: its WAL and the index of it are no files of their own', async () => {
    await using workspace = await CommittedWorkspace.open()
    using database = new OpenDatabase(workspace.path('a.db'), 'wal')
    database.insert(10)
    const { files, databases, root } = await workspace.commitNew()
    assert.deepEqual({ files, databases }, { files: 1, databases: 1 })
    const chunks = await workspace.chunks()
    assert.equal(await findEntry(chunks, chunkIdFromHex(root), 'a.db-wal'), undefined)
    assert.equal(await findEntry(chunks, chunkIdFromHex(root), 'a.db-shm'), undefined)
  })

  test('with pages of 512 bytes and of 64 KiB is restored, and when the size of its pages changes', async () => {
    await using workspace = await CommittedWorkspace.open()
    using database = new DatabaseSync(workspace.path('a.db'))
    for (const pageBytes of [512, 65_536, 4096]) {
      database.exec(`PRAGMA page_size = ${pageBytes}; VACUUM; CREATE TABLE IF NOT EXISTS t (a)`)
      database.exec(`INSERT INTO t VALUES (zeroblob(${pageBytes * 3}) || 'x')`)
      const { root } = await workspace.commitNew()
      assert.equal((await databaseEntry(workspace, root, 'a.db')).pageBytes, pageBytes)
      await workspace.assertRestores(root)
    }
  })
})

describe('the name of a database', () => {
  async function committed(workspace: CommittedWorkspace): Promise<string> {
    const { root } = await workspace.commitNew()
    await workspace.assertRestores(root)
    return root
  }

  test('may get another one, deleted and made again', async () => {
    await using workspace = await CommittedWorkspace.open()
    for (let round = 0; round < 3; round++) {
      {
        using database = new OpenDatabase(workspace.path('a.db'), 'wal', round)
        database.insert(100 * (round + 1))
        await committed(workspace)
      }
      for (const suffix of ['', '-wal', '-shm']) rmSync(workspace.path(`a.db${suffix}`), { force: true })
      if (round === 1) await committed(workspace)
    }
  })

  test('may become that of a plain file, and the other way round', async () => {
    await using workspace = await CommittedWorkspace.open()
    {
      using database = new OpenDatabase(workspace.path('a'), 'wal')
      database.insert(100)
      await committed(workspace)
    }
    writeFileSync(workspace.path('a'), 'a plain file now')
    writeFileSync(workspace.path('a-wal'), 'and a plain file beside it')
    const root = await committed(workspace)
    assert.equal((await findEntry(await workspace.chunks(), chunkIdFromHex(root), 'a-wal'))?.kind, 'file')
    for (const suffix of ['', '-wal', '-shm']) rmSync(workspace.path(`a${suffix}`), { force: true })
    using database = new OpenDatabase(workspace.path('a'), 'wal')
    database.insert(50)
    await committed(workspace)
  })

  test('goes with it when it is renamed, with its WAL or after a checkpoint', async () => {
    await using workspace = await CommittedWorkspace.open()
    {
      using database = new OpenDatabase(workspace.path('a.db'), 'wal')
      database.insert(100)
      await committed(workspace)
      for (const suffix of ['', '-wal'])
        renameSync(workspace.path(`a.db${suffix}`), workspace.path(`b.db${suffix}`))
      const root = await committed(workspace)
      assert.equal((await databaseEntry(workspace, root, 'b.db')).kind, 'database')
    }
  })

  test('is no name of a database without one: a file called -wal, or one that only begins like a database', async () => {
    await using workspace = await CommittedWorkspace.open()
    writeFileSync(workspace.path('x-wal'), 'no database beside it')
    writeFileSync(workspace.path('x-shm'), 'nor here')
    writeFileSync(workspace.path('-wal'), 'nor a name before it')
    writeFileSync(workspace.path('y-wal'), 'beside a plain file')
    writeFileSync(workspace.path('y'), 'plain')
    writeFileSync(workspace.path('fake.db'), `SQLite format 3\0${'no header at all'.repeat(10)}`)
    writeFileSync(workspace.path('empty.db'), '')
    writeFileSync(workspace.path('empty.db-wal'), 'left over')
    const { root, files, databases } = await workspace.commitNew()
    assert.deepEqual({ files, databases }, { files: 8, databases: 0 })
    const chunks = await workspace.chunks()
    for (const name of ['x-wal', 'x-shm', '-wal', 'y-wal', 'fake.db', 'empty.db-wal'])
      assert.equal((await findEntry(chunks, chunkIdFromHex(root), name))?.kind, 'file', name)
  })

  test('that is gone leaves nothing to remember', async () => {
    await using workspace = await CommittedWorkspace.open()
    for (let round = 0; round < 5; round++) {
      {
        using database = new OpenDatabase(workspace.path(`temporary-${round}.db`), 'delete', round)
        database.insert(10)
      }
      await workspace.commitNew()
      rmSync(workspace.path(`temporary-${round}.db`))
    }
    await workspace.commitNew()
    assert.equal(workspace.committer.remembered.memories.size, 0)
  })
})
