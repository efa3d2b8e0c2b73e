import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { systemRandomness } from '@holdfast/base/randomness'
import { changedPages } from '../sqlite/changed-pages.ts'
import { type CapturedPages, type DatabaseState, databaseState } from '../sqlite/database-state.ts'
import { fileReader } from '../sqlite/file-reader.ts'
import { DatabaseChecksum } from '../sqlite/page-checksum.ts'
import { DatabaseGuard } from './database-guard.ts'
import { type HoldableDatabase, LARGE_DATABASE_BYTES_MIN } from './database-hold.ts'

function scratch(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-guard-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** A writer at full speed that can be stopped for the length of a capture. */
class BusyWriter implements AsyncDisposable {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(path: string, autocheckpoint: number): Promise<BusyWriter> {
    const program = fileURLToPath(new URL('./busy-writer.fixture.ts', import.meta.url))
    const child = fork(program, [path, String(autocheckpoint)], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    await new Promise((resolve) => child.once('message', resolve))
    return new BusyWriter(child)
  }

  async whileStopped<T>(run: () => T): Promise<T> {
    this.#child.kill('SIGSTOP')
    const stat = () => readFileSync(`/proc/${this.#child.pid}/stat`, 'latin1').split(') ')[1]?.[0]
    while (stat() !== 'T') await delay(1)
    try {
      return run()
    } finally {
      this.#child.kill('SIGCONT')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await ended
  }
}

interface Captured {
  readonly pages: CapturedPages & { overlay?: DatabaseState['overlay'] }
  readonly checksum: DatabaseChecksum
  readonly inode: number
}

/** Reads every page: what a capture without a guard has to do. */
function captureWhole(path: string, earlier: CapturedPages | undefined): Captured {
  const main = openSync(path, 'r')
  const wal = openSync(`${path}-wal`, 'r')
  try {
    const image = databaseState({
      database: fileReader(main),
      wal: fileReader(wal),
      earlier: earlier?.walEnd,
    })
    assert.equal(image.kind, 'database')
    if (image.kind !== 'database') throw new Error('unreachable')
    const { pageBytes, pageCount, overlaidPages, walEnd, overlay } = image.state
    const pages = { pageBytes, pageCount, overlaidPages, walEnd, overlay }
    return { pages, checksum: DatabaseChecksum.fromState(image.state), inode: statSync(path).ino }
  } finally {
    closeSync(main)
    closeSync(wal)
  }
}

function pagesThatDiffer(before: DatabaseChecksum, after: DatabaseChecksum): number[] {
  const differ: number[] = []
  for (let page = 1; page <= after.pageCount; page++) {
    const known = page <= before.pageCount ? before.hashOf(page) : undefined
    const now = after.hashOf(page)
    if (known?.high !== now.high || known?.low !== now.low) differ.push(page)
  }
  return differ
}

function large(path: string): HoldableDatabase {
  return { path, bytes: LARGE_DATABASE_BYTES_MIN, journal: 'wal' }
}

async function pinOf(guard: DatabaseGuard, path: string): Promise<string | undefined> {
  const hold = (await guard.hold([large(path)])).get(path)
  return hold?.kind === 'pinned' ? hold.pin : undefined
}

async function guardedCaptures(
  autocheckpoint: number,
  rounds: number,
): Promise<{ largestWal: number; pages: number }> {
  using directory = scratch()
  const path = join(directory.path, 'busy.db')
  await using writer = await BusyWriter.start(path, autocheckpoint)
  await using guard = new DatabaseGuard(directory.path, systemRandomness)
  const pin = await pinOf(guard, 'busy.db')
  let previous = await writer.whileStopped(() => captureWhole(path, undefined))
  let largestWal = 0
  let pages = 0
  for (let round = 0; round < rounds; round++) {
    await delay(20 + (round % 7) * 15)
    const [hold] = (await guard.pinned([large('busy.db')])).values()
    assert.ok(hold?.kind === 'pinned' && hold.pin === pin, 'the pin held')
    const current = await writer.whileStopped(() => captureWhole(path, previous.pages))
    const fileChanges = hold.changed.map(({ start, end }) => ({ offset: start, length: end - start }))
    const candidates = new Set(
      changedPages({ previous: previous.pages, current: current.pages, fileChanges }),
    )
    const missed = pagesThatDiffer(previous.checksum, current.checksum).filter(
      (page) => !candidates.has(page),
    )
    assert.deepEqual(missed, [], `round ${round}: pages that changed and were not named`)
    largestWal = Math.max(largestWal, statSync(`${path}-wal`).size)
    pages = current.pages.pageCount
    previous = current
    await guard.afterCommit()
  }
  return { largestWal, pages }
}

test('under a pin, every page that changed is named by the WAL or was noted before', async (t) => {
  const { largestWal, pages } = await guardedCaptures(40, 30)
  t.diagnostic(`${pages} pages, WAL up to ${largestWal} bytes`)
})

test('a WAL that grows long under the pin is checkpointed through the barrier, and nothing is missed', async (t) => {
  const { largestWal } = await guardedCaptures(100_000, 20)
  t.diagnostic(`WAL up to ${largestWal} bytes`)
  assert.ok(largestWal < 256 << 20, `the WAL stays bounded: ${largestWal}`)
})

test('a database whose owner locks others out is not pinned', async () => {
  using directory = scratch()
  const owner = new DatabaseSync(join(directory.path, 'own.db'))
  owner.exec(
    'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)',
  )
  await using guard = new DatabaseGuard(directory.path, systemRandomness)
  assert.equal(await pinOf(guard, 'own.db'), undefined)
  owner.close()
})

test('a rollback-journal database is not pinned, and its owner can write at once', async () => {
  using directory = scratch()
  const owner = new DatabaseSync(join(directory.path, 'rollback.db'))
  owner.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  await using guard = new DatabaseGuard(directory.path, systemRandomness)
  assert.equal(await pinOf(guard, 'rollback.db'), undefined)
  owner.exec('INSERT INTO t VALUES (2)')
  owner.close()
})

test('a rollback-journal database that is held cannot be written until it is let go', async () => {
  using directory = scratch()
  const owner = new DatabaseSync(join(directory.path, 'rollback.db'), { timeout: 0 })
  owner.exec('CREATE TABLE t (x)')
  await using guard = new DatabaseGuard(directory.path, systemRandomness)
  const database: HoldableDatabase = { path: 'rollback.db', bytes: 8192, journal: 'rollback' }
  assert.equal((await guard.hold([database])).get('rollback.db')?.kind, 'locked')
  assert.throws(() => owner.exec('INSERT INTO t VALUES (1)'), /locked/)
  assert.equal(await guard.letGo(), true)
  owner.exec('INSERT INTO t VALUES (2)')
  owner.close()
})

test('a rollback-journal database in the middle of a write is busy', async () => {
  using directory = scratch()
  const owner = new DatabaseSync(join(directory.path, 'rollback.db'))
  owner.exec('CREATE TABLE t (x); BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)')
  await using guard = new DatabaseGuard(directory.path, systemRandomness)
  const database: HoldableDatabase = { path: 'rollback.db', bytes: 8192, journal: 'rollback' }
  assert.equal((await guard.hold([database])).get('rollback.db')?.kind, 'busy')
  owner.exec('COMMIT')
  owner.close()
})

test('a small database that keeps a WAL can be written while it is held, and nothing of it is left behind', async () => {
  using directory = scratch()
  const owner = new DatabaseSync(join(directory.path, 'small.db'), { timeout: 0 })
  owner.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x)')
  const names = readdirSync(directory.path)
  await using guard = new DatabaseGuard(directory.path, systemRandomness)
  const database: HoldableDatabase = { path: 'small.db', bytes: 8192, journal: 'wal' }
  assert.equal((await guard.hold([database])).get('small.db')?.kind, 'locked')
  owner.exec('INSERT INTO t VALUES (1)')
  assert.equal(await guard.letGo(), true)
  assert.deepEqual(readdirSync(directory.path), names)
  owner.close()
})

test('a database that stands still is let go, so that its journal mode can change', async () => {
  using directory = scratch()
  const owner = new DatabaseSync(join(directory.path, 'idle.db'))
  owner.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x); PRAGMA wal_checkpoint(TRUNCATE)')
  await using guard = new DatabaseGuard(directory.path, systemRandomness)
  assert.ok(await pinOf(guard, 'idle.db'))
  for (let commits = 0; commits < 40; commits++) await guard.afterCommit()
  assert.equal((await guard.pinned([large('idle.db')])).size, 0)
  assert.equal(owner.prepare('PRAGMA journal_mode = DELETE').get()?.journal_mode, 'delete')
  owner.close()
})

test('the pinning process leaves no table and no page of its own behind', async () => {
  using directory = scratch()
  const path = join(directory.path, 'clean.db')
  const owner = new DatabaseSync(path)
  owner.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  const before = readFileSync(`${path}-wal`)
  await using guard = new DatabaseGuard(directory.path, systemRandomness)
  assert.ok(await pinOf(guard, 'clean.db'))
  await guard.afterCommit()
  assert.deepEqual(readFileSync(`${path}-wal`), before)
  const tables = owner.prepare('SELECT name FROM sqlite_master').all()
  assert.deepEqual(
    tables.map(({ name }) => name),
    ['t'],
  )
  owner.close()
})

test('a pin says nothing of another database that took the name', async () => {
  using directory = scratch()
  const path = join(directory.path, 'moved.db')
  const owner = new DatabaseSync(path)
  owner.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x)')
  await using guard = new DatabaseGuard(directory.path, systemRandomness)
  const first = await pinOf(guard, 'moved.db')
  renameSync(path, join(directory.path, 'old.db'))
  writeFileSync(path, readFileSync(join(directory.path, 'old.db')))
  assert.equal((await guard.pinned([large('moved.db')])).size, 0)
  await guard.afterCommit()
  assert.notEqual(await pinOf(guard, 'moved.db'), first)
  owner.close()
})

test('when the pinning process dies, what it held counts as lost and is pinned anew', async () => {
  using directory = scratch()
  const owner = new DatabaseSync(join(directory.path, 'some.db'))
  owner.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x)')
  await using guard = new DatabaseGuard(directory.path, systemRandomness)
  const first = await pinOf(guard, 'some.db')
  killPinningProcess()
  assert.equal(await guard.letGo(), false)
  assert.equal((await guard.pinned([large('some.db')])).size, 0)
  const second = await pinOf(guard, 'some.db')
  assert.ok(second)
  assert.notEqual(second, first)
  owner.close()
})

function killPinningProcess(): void {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ')
  const pinning = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('pin-process'))
  process.kill(Number(pinning), 'SIGKILL')
}
