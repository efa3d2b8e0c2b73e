import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { systemClock } from '@holdfast/base/clock'
import { until } from '@holdfast/testkit/until'
import { askDatabase, type DatabaseTask, seenAt } from './database-process.ts'

const NOBODY = 65_534
/** Told apart from all others by what it asks. */
const endless = (mark: string) =>
  `WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*), '${mark}' FROM c`

class Database implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'holdfast-query-'))

  constructor() {
    using database = new DatabaseSync(join(this.directory, 'database'))
    database.exec('CREATE TABLE t (a)')
    chownSync(this.directory, NOBODY, NOBODY)
    chmodSync(join(this.directory, 'database'), 0o644)
  }

  task(sql: string): DatabaseTask {
    const place = { directory: this.directory, isRoot: true }
    const path = seenAt(place, 'database')
    const bounds = { rowsMax: 10, bytesMax: 1000, cellBytesMax: 100 }
    return { request: { kind: 'query', path, sql, ...bounds }, ...place, clock: systemClock, msMax: 20_000 }
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Node processes that have a directory mounted as their database. */
function readersOf(directory: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      const isNode = /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/exe`).endsWith('/node')
      return (
        isNode &&
        readFileSync(`/proc/${pid}/mountinfo`, 'latin1').includes(`${basename(directory)} /mnt/database`)
      )
    } catch {
      return false // it ended meanwhile
    }
  })
}

test('who opens a database is nobody, without rights or network, and ends with the call', async () => {
  using database = new Database()
  const gone = new AbortController()
  const startedAt = performance.now()
  const asked = askDatabase({ ...database.task(endless('a')), signal: gone.signal })
  const ended = assert.rejects(asked, { name: 'AbortError' })
  await until('it began', () => readersOf(database.directory).length > 0)
  const [pid] = readersOf(database.directory)
  assert.ok(pid)
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m)
  assert.match(status, /^NoNewPrivs:\t1$/m)
  for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
    assert.match(status, new RegExp(`^Cap${set}:\t0+$`, 'm'))
  assert.match(status, /^Groups:\t\s*$/m)
  for (const kind of ['net', 'mnt', 'pid', 'ipc'])
    assert.notEqual(readlinkSync(`/proc/${pid}/ns/${kind}`), readlinkSync(`/proc/self/ns/${kind}`))
  gone.abort()
  await ended // long before its time is up
  assert.ok(performance.now() - startedAt < 10_000)
  await until('it ended', () => readersOf(database.directory).length === 0)
})

test('a query ends with the process that asked it', async () => {
  using database = new Database()
  const module = pathToFileURL(join(import.meta.dirname, 'database-process.ts')).href
  const { clock: _clock, ...task } = database.task(endless('b'))
  const script = `import { askDatabase } from '${module}'
    import { systemClock } from '@holdfast/base/clock'
    await askDatabase({ ...${JSON.stringify(task)}, clock: systemClock })`
  const options = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
  const parent = spawn(process.execPath, options, {
    cwd: import.meta.dirname,
    stdio: 'inherit',
    timeout: 30_000,
  })
  await until('it began', () => readersOf(database.directory).length > 0)
  parent.kill('SIGKILL')
  await until('it ended', () => readersOf(database.directory).length === 0)
})

test('a machine without the programs that isolate refuses by name', async () => {
  using database = new Database()
  const task = database.task('SELECT 1')
  await assert.rejects(askDatabase({ ...task, directory: join(database.directory, 'gone') }), {
    code: 'unsupported-here',
  })
})
