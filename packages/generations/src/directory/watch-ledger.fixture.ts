import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { until } from '@holdfast/testkit/until'
import { watchDirectory } from './watch-directory.ts'
import { WatchedDirectory } from './watched-directory.fixture.ts'
import type { FreezeMethod } from './workload.ts'

const WRITER = new URL('./ledger-writer.fixture.ts', import.meta.url).pathname
const GENERATIONS = 16

/** Watches a ledger that is written at full speed, and restores and checks every generation that comes of it. */
export async function assertLedgerIsCut(journal: 'wal' | 'delete', freeze: FreezeMethod): Promise<void> {
  await using watched = await WatchedDirectory.make()
  const command = {
    command: [process.execPath, WRITER, journal],
    cwd: watched.path,
    stdio: 'ignore' as const,
  }
  {
    await using watch = await watchDirectory(watched.deps, {
      path: watched.path,
      everyMs: 100,
      freeze,
      command,
    })
    await until('the ledger begins', () => existsSync(join(watched.path, 'entry-1')))
    for (let round = 0; round < GENERATIONS; round++) await watch.sync()
    watch.stop('SIGKILL')
    await watch.ended
  }
  const history = await watched.history()
  let seen = 0
  for (const { sequence, consistency } of [...history].reverse()) {
    assert.equal(consistency, 'cut')
    const restored = await watched.restore(String(sequence))
    if (existsSync(join(restored, 'ledger.db')) && hasTable(restored)) {
      const { rows, files } = readLedger(restored)
      assert.ok(files === rows || files === rows - 1, `generation ${sequence}: ${rows} rows, ${files} files`)
      assert.ok(rows >= seen, 'history goes forward')
      seen = rows
    }
    rmSync(restored, { recursive: true })
  }
  assert.ok(seen > GENERATIONS)
}

/** The rows and the newest file of a restored ledger; every file must be whole. */
export function readLedger(path: string): { rows: number; files: number } {
  const numbers = readdirSync(path)
    .filter((name) => /^entry-\d+$/.test(name))
    .map((name) => {
      const [first = '', ...others] = readFileSync(join(path, name), 'utf8').trim().split(' ')
      assert.equal(others.length, 499, `${name} is whole`)
      assert.ok(others.every((other) => other === first))
      return Number(first)
    })
  using database = new DatabaseSync(join(path, 'ledger.db'))
  assert.deepEqual({ ...database.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
  const { rows } = {
    rows: 0,
    ...database.prepare('SELECT count(*) AS rows, max(n) AS newest FROM ledger').get(),
  }
  return { rows: Number(rows), files: Math.max(0, ...numbers) }
}

/** False for a ledger that was captured before it was set up; read from a copy, so that nothing is recovered yet. */
export function hasTable(path: string): boolean {
  for (const suffix of ['', '-wal', '-journal'])
    if (existsSync(join(path, `ledger.db${suffix}`)))
      copyFileSync(join(path, `ledger.db${suffix}`), join(path, `copy.db${suffix}`))
  using database = new DatabaseSync(join(path, 'copy.db'))
  return database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'ledger'").get() !== undefined
}
