import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { Workbench } from '../../workbench.fixture.ts'

const bench = new Workbench()
const { project } = bench

before(async () => {
  bench.write('a.txt', 'one\n')
  bench.write('src/deep/main.py', 'print(1)\n')
  bench.write('src/gone.txt', 'x'.repeat(5000))
  symlinkSync('a.txt', join(project, 'link'))
  bench.sql('app.db', 'CREATE TABLE t (x); INSERT INTO t VALUES (1), (2); CREATE TABLE "odd ""name" (y)')
  await bench.printed('dir', 'init', project)
  await bench.printed('dir', 'commit', project)
  bench.write('a.txt', 'one\ntwo\n')
  bench.write('new/\x1b[31mred.txt', 'z')
  rmSync(join(project, 'src/gone.txt'))
  chmodSync(join(project, 'src/deep'), 0o700)
  bench.sql('app.db', 'INSERT INTO t VALUES (3); DROP TABLE "odd ""name"; CREATE TABLE u (z)')
  await bench.printed('dir', 'commit', project, '-m', 'second')
})

after(() => bench[Symbol.dispose]())

test('history lists the newest first, as table, JSON and ids', async () => {
  const table = (await bench.printed('dir', 'history', project)).trimEnd().split('\n')
  assert.equal(table.length, 3)
  assert.match(table[0] ?? '', /^# +ID +WHEN +CAUSE +FILES +SIZE +CONSISTENCY +VERIFIED +MESSAGE$/)
  assert.match(table[1] ?? '', /^2 +[0-9a-f]{12} .* checkpoint .* second$/)
  assert.match(table[2] ?? '', /^1 +[0-9a-f]{12} .* sync /)
  const ids = (await bench.printed('dir', 'history', project, '-q')).trimEnd().split('\n')
  assert.ok(ids.every((id) => /^[0-9a-f]{64}$/.test(id)))
  const rows = await bench.json('dir', 'history', project)
  assert.deepEqual(ids, Array.isArray(rows) ? rows.map((row) => row.id) : rows)
})

test('a shortened history says that there is more', async () => {
  const { stderr, stdout } = await bench.hold('dir', 'history', project, '--limit', '1')
  assert.equal(stdout.trimEnd().split('\n').length, 2)
  assert.match(stderr, /older ones/)
})

test('a generation is named by head, number or the beginning of its id', async () => {
  const [head = '', first = ''] = (await bench.printed('dir', 'history', project, '-q')).split('\n')
  assert.equal((await bench.printed('dir', 'show', project, '-q')).trim(), head)
  assert.equal((await bench.printed('dir', 'show', project, 'head', '-q')).trim(), head)
  assert.equal((await bench.printed('dir', 'show', project, '1', '-q')).trim(), first)
  assert.equal((await bench.printed('dir', 'show', project, first.slice(0, 12), '-q')).trim(), first)
  const unknown = await bench.hold('dir', 'show', project, '9')
  assert.equal(unknown.exitCode, 1)
  assert.match(unknown.stderr, /^hold: no generation 9 .*\n {2}→ /)
})

test('show tells what a generation holds', async () => {
  const text = await bench.printed('dir', 'show', project)
  assert.match(text, /^Generation 2\n {2}id +[0-9a-f]{64}\n/)
  assert.match(text, /message +second\n/)
  assert.match(text, /databases +1\n/)
})

test('ls lists names, and with -lr everything below with its size', async () => {
  assert.equal(await bench.printed('dir', 'ls', project, '--at', '1'), 'a.txt\napp.db\nlink\nsrc/\n')
  const long = await bench.printed('dir', 'ls', project, 'src', '-lr', '--at', '1')
  assert.match(long, /^-rw-r--r-- .* 5 kB .* src\/gone\.txt$|^-rw-r--r-- +\S+ +5 kB .*gone\.txt$/m)
  assert.match(await bench.printed('dir', 'ls', project, '-l'), /lrwxrwxrwx .* link -> a\.txt\n/)
  assert.match(await bench.printed('dir', 'ls', project, 'a.txt', '-l'), / 8 B .* a\.txt\n$/)
})

test('a name of foreign origin cannot drive the terminal', async () => {
  for (const command of [
    ['ls', project, '-r'],
    ['ls', project, '-lr'],
    ['diff', project],
  ]) {
    const text = await bench.printed('dir', ...command)
    assert.ok(text.includes('\\x1b[31mred.txt') && !text.includes('\x1b'), text)
  }
})

test('cat prints a file byte for byte, and a database as it would be restored', async () => {
  assert.equal(await bench.printed('dir', 'cat', project, 'a.txt', '--at', '1'), 'one\n')
  assert.equal(await bench.printed('dir', 'cat', project, './a.txt'), 'one\ntwo\n')
  const missing = await bench.hold('dir', 'cat', project, 'nope')
  assert.equal(missing.exitCode, 1)
  assert.match(missing.stderr, /generation 2 has no nope/)
  assert.equal((await bench.hold('dir', 'cat', project, 'src')).exitCode, 2)
  assert.equal((await bench.hold('dir', 'cat', project, '../secret')).exitCode, 2)
})

test('diff tells added, removed and changed paths, and counts rows', async () => {
  const text = await bench.printed('dir', 'diff', project)
  for (const line of [
    '~ a.txt  4 B -> 8 B',
    '+ new/',
    '- src/gone.txt  5 kB',
    '~ src/deep/  (mode)',
    '    t: 2 -> 3 rows (+1)',
    '    u: new table, 0 rows',
    '    odd "name: table dropped with 0 rows',
  ])
    assert.ok(text.includes(`${line}\n`), `${line}\n---\n${text}`)
  assert.ok(!text.includes('main.py'))
  assert.match(await bench.printed('dir', 'diff', project, '2', '2'), /Nothing changed/)
  const back = await bench.printed('dir', 'diff', project, '2', '1')
  assert.ok(back.includes('+ src/gone.txt  5 kB\n'), back)
})

test('diff never opens a database whose journal the next writer plays back', async () => {
  using bench = new Workbench()
  bench.sql('torn.db', 'CREATE TABLE t (x)')
  await bench.printed('dir', 'init', bench.project)
  await bench.printed('dir', 'commit', bench.project)
  bench.sql('torn.db', 'INSERT INTO t VALUES (1)')
  bench.write('torn.db-journal', Buffer.from('d9d505f920a163d7'.padEnd(1024, '0'), 'hex'))
  await bench.printed('dir', 'commit', bench.project)
  const text = await bench.printed('dir', 'diff', bench.project)
  assert.match(text, /rows not counted: it has a journal that the next writer plays back/)
})

test('diff of the first generation says that there is none before it', async () => {
  using fresh = new Workbench()
  fresh.write('a', '1')
  await fresh.printed('dir', 'init', fresh.project)
  await fresh.printed('dir', 'commit', fresh.project)
  const { exitCode, stderr } = await fresh.hold('dir', 'diff', fresh.project)
  assert.equal(exitCode, 1)
  assert.match(stderr, /generation 1 \([0-9a-f]{12}\) is the first: there is none before it/)
})

test('restore brings back a directory that is gone, and touches nothing that is there', async () => {
  const refused = await bench.hold('dir', 'restore', project)
  assert.equal(refused.exitCode, 1)
  assert.match(
    refused.stderr,
    /not empty: --to PATH restores beside it, `hold dir rollback .* 2` replaces it/,
  )
  const copy = join(bench.path, 'copy')
  await bench.printed('dir', 'restore', project, '--at', '1', '--to', copy)
  assert.deepEqual(readdirSync(copy).sort(), ['a.txt', 'app.db', 'link', 'src'])
  assert.equal(readFileSync(join(copy, 'src/gone.txt'), 'utf8').length, 5000)
  const database = new DatabaseSync(join(copy, 'app.db'), { readOnly: true })
  assert.equal(database.prepare('SELECT count(*) AS count FROM t').get()?.count, 2)
  database.close()
  renameSync(project, join(bench.path, 'moved'))
  const report = await bench.json('dir', 'restore', project)
  assert.ok(existsSync(join(project, 'a.txt')))
  assert.equal(statSync(join(project, 'src/deep')).mode & 0o777, 0o700)
  assert.ok(typeof report === 'object' && report !== null && 'files' in report && report.files === 4)
})

test('an empty directory may be restored into', async () => {
  const empty = join(bench.path, 'empty')
  mkdirSync(empty)
  await bench.printed('dir', 'restore', project, '--to', empty)
  assert.ok(existsSync(join(empty, 'app.db')))
})
