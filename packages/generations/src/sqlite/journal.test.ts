import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { byteReader } from './byte-reader.ts'
import {
  type JournalState,
  journalState,
  parseSuperJournal,
  recoveryOf,
  superJournalName,
} from './journal.ts'
import { Scratch } from './recovery.fixture.ts'

function stateAt(path: string): JournalState {
  return journalState(byteReader(readFileSync(path)))
}

test('the journal of an open transaction is hot and rolls the copy back, in every rollback mode', () => {
  using scratch = new Scratch()
  for (const mode of ['delete', 'truncate', 'persist']) {
    const path = scratch.file(`${mode}.db`)
    using database = new DatabaseSync(path)
    database.exec(`PRAGMA journal_mode=${mode}; CREATE TABLE t(a); PRAGMA cache_size=2`)
    database.exec('INSERT INTO t VALUES (zeroblob(100000)); BEGIN; UPDATE t SET a = randomblob(100000)')
    const hot = stateAt(`${path}-journal`)
    assert(hot.kind === 'hot', `${mode}: ${hot.kind}`)
    assert.equal(hot.header.pageBytes, 4096)
    assert.equal(hot.superJournal, undefined)
    assert.equal(recoveryOf(100_000, hot), 'rollback')
    const copy = scratch.copyImage(path)
    using opened = new DatabaseSync(copy)
    assert.equal(opened.prepare('SELECT a = zeroblob(100000) AS old FROM t').get()?.old, 1)
    database.exec('COMMIT')
  }
})

test('the journal between transactions is absent, empty or zeroed, and asks for no recovery', () => {
  using scratch = new Scratch()
  for (const [mode, kind] of [
    ['truncate', 'empty'],
    ['persist', 'zeroed'],
  ]) {
    const path = scratch.file(`${mode}.db`)
    using database = new DatabaseSync(path)
    database.exec(`PRAGMA journal_mode=${mode}; CREATE TABLE t(a); INSERT INTO t VALUES (1)`)
    const state = stateAt(`${path}-journal`)
    assert.equal(state.kind, kind)
    assert.equal(recoveryOf(8192, state), 'none')
  }
})

test('a journal without a valid header restores no page, as SQLite shows', () => {
  using scratch = new Scratch()
  const path = scratch.file('a.db')
  using database = new DatabaseSync(path)
  database.exec('CREATE TABLE t(a); INSERT INTO t VALUES (1)')
  database.close()
  const main = readFileSync(path)
  for (const journal of [
    Buffer.from('x'),
    Buffer.alloc(4096, 0xd9),
    Buffer.from('d9d505f920a163d7', 'hex'),
  ]) {
    assert.deepEqual(journalState(byteReader(journal)), { kind: 'headless' })
    assert.equal(recoveryOf(main.byteLength, journalState(byteReader(journal))), 'none')
    writeFileSync(`${path}-journal`, journal)
    using opened = new DatabaseSync(path)
    assert.equal(opened.prepare('SELECT a FROM t').get()?.a, 1)
    assert(!existsSync(`${path}-journal`))
    assert.deepEqual(readFileSync(path), main)
  }
})

/**
 * Two attached databases whose common transaction is killed on entering the first `syscall` that touches `victim`:
 * everything before it is on disk.
 */
function killedCommit(directory: string, syscall: string, victim: string): void {
  mkdirSync(directory)
  const [a, b] = [join(directory, 'a.db'), join(directory, 'b.db')]
  for (const path of [a, b]) {
    using database = new DatabaseSync(path)
    database.exec('CREATE TABLE t(n); INSERT INTO t VALUES (0)')
  }
  const sql = `ATTACH '${b}' AS b; BEGIN; UPDATE main.t SET n = 1; UPDATE b.t SET n = 1; COMMIT;`
  const inject = `inject=${syscall}:signal=KILL:when=1`
  const args = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${syscall}`, '-e', inject]
  const only = victim === '' ? [] : ['-P', join(directory, victim)]
  assert.throws(
    () => execFileSync('strace', [...args, ...only, 'sqlite3', a, sql], { stdio: 'ignore' }),
    (error) => error instanceof Error && 'signal' in error && error.signal === 'SIGKILL',
  )
}

function valueIn(path: string): unknown {
  using database = new DatabaseSync(path)
  assert.equal(database.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok')
  return database.prepare('SELECT n FROM t').get()?.n
}

test('a commit across two databases, killed before its end, leaves journals that name the super-journal', () => {
  using scratch = new Scratch()
  const directory = scratch.file('workspace')
  killedCommit(directory, 'unlink', '')
  const superJournal = readdirSync(directory).find((name) => name.includes('-mj'))
  assert(superJournal !== undefined)
  const covered = parseSuperJournal(readFileSync(join(directory, superJournal)))
  assert.deepEqual(covered?.toSorted(), [join(directory, 'a.db-journal'), join(directory, 'b.db-journal')])
  for (const path of covered ?? []) {
    const state = stateAt(path)
    assert(state.kind === 'hot')
    assert.equal(state.superJournal, join(directory, superJournal))
    assert.equal(recoveryOf(8192, state), 'rollback-at-its-path')
  }
  assert.deepEqual([valueIn(join(directory, 'a.db')), valueIn(join(directory, 'b.db'))], [0, 0])
})

test('such a transaction is torn when the databases are opened elsewhere, and whole at their own path', () => {
  using scratch = new Scratch()
  const directory = scratch.file('workspace')
  killedCommit(directory, 'pwrite64', 'b.db')
  const elsewhere = scratch.file('elsewhere')
  renameSync(directory, elsewhere)
  assert.equal(recoveryOf(8192, stateAt(join(elsewhere, 'a.db-journal'))), 'rollback-at-its-path')
  const kept = scratch.file('kept')
  execFileSync('cp', ['-a', elsewhere, kept])
  assert.deepEqual([valueIn(join(elsewhere, 'a.db')), valueIn(join(elsewhere, 'b.db'))], [1, 0])
  renameSync(kept, directory)
  assert.deepEqual([valueIn(join(directory, 'a.db')), valueIn(join(directory, 'b.db'))], [0, 0])
  rmSync(elsewhere, { recursive: true })
})

/** A journal's tail as SQLite writes it. */
function tail(name: Buffer, sum: number): Buffer {
  const numbers = Buffer.alloc(8)
  numbers.writeUInt32BE(name.byteLength, 0)
  numbers.writeUInt32BE(sum >>> 0, 4)
  return Buffer.concat([Buffer.alloc(4), name, numbers, Buffer.from('d9d505f920a163d7', 'hex')])
}

test('the name of a super-journal counts with either sum of its bytes, and not with another', () => {
  const name = Buffer.from('/é/a.db-mj0123456')
  const unsigned = name.reduce((sum, byte) => sum + byte, 0)
  const signed = name.reduce((sum, byte) => sum + ((byte << 24) >> 24), 0)
  assert.notEqual(unsigned, signed)
  assert.equal(superJournalName(byteReader(tail(name, unsigned))), name.toString())
  assert.equal(superJournalName(byteReader(tail(name, signed))), name.toString())
  assert.equal(superJournalName(byteReader(tail(name, unsigned + 1))), undefined)
  assert.equal(superJournalName(byteReader(tail(Buffer.alloc(0), 0))), undefined)
  assert.equal(superJournalName(byteReader(tail(name, unsigned).subarray(24))), undefined)
  const long = Buffer.alloc(5000, 'x')
  assert.equal(superJournalName(byteReader(tail(long, 5000 * 120))), undefined)
})

test('a super-journal is a list of absolute paths, each ended by a zero byte, or none', () => {
  assert.deepEqual(parseSuperJournal(Buffer.from('/a-journal\0/b-journal\0')), ['/a-journal', '/b-journal'])
  for (const bytes of ['', '/a-journal', 'a\0', '/a\0\0', '\0']) {
    assert.equal(parseSuperJournal(Buffer.from(bytes)), undefined)
  }
})
