import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { byteReader } from '@holdfast/generations/sqlite/byte-reader'
import { journalState, recoveryOf } from '@holdfast/generations/sqlite/journal'

const ROWS = 6
const DATABASES = ['one.db', 'two.db'] as const
/** What changes files; `strace` counts each of these calls for itself. */
const CALLS = ['pwrite64', 'write', 'ftruncate', 'unlink'] as const
const TRACED = [...CALLS, 'openat']

/** One transaction over both databases, by the SQLite of the system: their content turns from `old` to `new`. */
const TRANSACTION = `ATTACH 'two.db' AS two; BEGIN; UPDATE main.t SET v = 'new'; UPDATE two.t SET v = 'new'; COMMIT;`

/** A system call of the transaction: the `nth` of its name in the process. */
export interface Moment {
  readonly call: (typeof CALLS)[number]
  readonly nth: number
}

/** Two databases in rollback mode whose rows say `old`. */
export function makePair(directory: string): void {
  mkdirSync(directory)
  for (const name of DATABASES) {
    const database = new DatabaseSync(join(directory, name))
    database.exec('PRAGMA journal_mode=delete; CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, padding BLOB)')
    const insert = database.prepare("INSERT INTO t VALUES (?, 'old', zeroblob(1500))")
    for (let id = 1; id <= ROWS; id++) insert.run(id)
    database.close()
  }
}

/** The system calls of the transaction once its super-journal exists, in order. */
export function momentsAfterSuperJournal(directory: string): Moment[] {
  const traced = ['-qq', '-e', `trace=${TRACED.join()}`, 'sqlite3', 'one.db', TRANSACTION]
  const { stderr, status } = spawnSync('strace', traced, { cwd: directory, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  const counts = new Map<string, number>()
  const moments: Moment[] = []
  let isBorn = false
  for (const line of stderr.split('\n')) {
    const name = line.slice(0, line.indexOf('('))
    counts.set(name, (counts.get(name) ?? 0) + 1)
    isBorn ||= name === 'openat' && line.includes('-mj')
    const call = CALLS.find((known) => known === name)
    if (isBorn && call) moments.push({ call, nth: counts.get(name) ?? 0 })
  }
  return moments
}

/** Runs the transaction and kills it with -9 as it enters that system call. */
export function killTransaction(directory: string, { call, nth }: Moment): void {
  const inject = `inject=${call}:signal=KILL:when=${nth}`
  const args = [
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    `trace=${TRACED.join()}`,
    '-e',
    inject,
    'sqlite3',
    'one.db',
    TRANSACTION,
  ]
  const { signal, status } = spawnSync('strace', args, { cwd: directory })
  assert(signal === 'SIGKILL' || status === 137, `not killed at ${call} ${nth}: ${status}`)
}

/** The verdict of `integrity_check` and what the rows say once SQLite has opened it; two words: it is torn. */
function words(path: string): string {
  const database = new DatabaseSync(path)
  try {
    const check = database.prepare('PRAGMA integrity_check').all()
    const rows = database.prepare('SELECT DISTINCT v FROM t ORDER BY v').all()
    return [...check.map((row) => row.integrity_check), ...rows.map(({ v }) => v)].join(' ')
  } finally {
    database.close()
  }
}

/** What both databases say, each opened by itself. */
export function readPair(directory: string): readonly [one: string, two: string] {
  return [words(join(directory, DATABASES[0])), words(join(directory, DATABASES[1]))]
}

export function agrees([one, two]: readonly [string, string]): boolean {
  return one === two && (one === 'ok old' || one === 'ok new')
}

/** Which recovery the engine says the pair needs. */
export function recoveriesOf(directory: string): string[] {
  const names = readdirSync(directory)
  return DATABASES.filter((name) => names.includes(`${name}-journal`)).map((name) => {
    const journal = byteReader(readFileSync(join(directory, `${name}-journal`)))
    return recoveryOf(readFileSync(join(directory, name)).length, journalState(journal))
  })
}

/** Everything in a directory, by name; journals and super-journals byte for byte. */
export function filesOf(directory: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    readdirSync(directory)
      .sort()
      .map((name) => [name, readFileSync(join(directory, name)).toString('base64')]),
  )
}
