import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Workbench } from '../../workbench.fixture.ts'

const DAY_MS = 86_400_000

async function kept(): Promise<Workbench> {
  const bench = new Workbench()
  bench.write('a.txt', 'one')
  bench.write('large.bin', Buffer.alloc(300_000, 'abcdefg'))
  bench.sql('app.db', 'CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)')
  await bench.printed('dir', 'init', bench.project)
  await bench.printed('dir', 'commit', bench.project)
  return bench
}

/** Every file below a folder. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
}

/** Flips a byte in the middle of the largest pack. */
function damageStore(bench: Workbench): void {
  const packs = filesBelow(join(bench.home, 'store')).filter((path) => path.includes('packs'))
  const largest = packs.sort((a, b) => statSync(b).size - statSync(a).size)[0] ?? ''
  const bytes = readFileSync(largest)
  const at = Math.floor(bytes.length / 4)
  bytes[at] = (bytes[at] ?? 0) ^ 0xff
  rmSync(largest)
  writeFileSync(largest, bytes)
}

test('verify checks every byte, and names what a damaged one takes with it', async () => {
  using bench = await kept()
  assert.match(await bench.printed('dir', 'verify', bench.project), /^Sound: every byte is as it was written/)
  assert.match(await bench.printed('dir', 'verify', bench.project, '--all'), /^Sound/)
  const none = await bench.hold('dir', 'verify', bench.project, '--part', '4/3')
  assert.equal(none.exitCode, 2)
  damageStore(bench)
  const damaged = await bench.hold('dir', 'verify', bench.project)
  assert.equal(damaged.exitCode, 1)
  assert.match(damaged.stdout, /^DAMAGED: 1 object/)
  assert.match(damaged.stdout, /generations lost +[0-9a-f]{12}\n/)
  const report = await bench.hold('dir', 'verify', bench.project, '-o', 'json')
  assert.equal(JSON.parse(report.stdout).damaged.length, 1)
})

test('a drill proves a generation and marks it, or says which one to restore instead', async () => {
  using bench = await kept()
  const text = await bench.printed('dir', 'drill', bench.project)
  assert.match(text, /^Proven: generation 1 .*\n/)
  assert.match(text, /1 database, 2 rows, integrity_check ok/)
  assert.match(
    await bench.printed('dir', 'history', bench.project),
    /per-database +\d{4}-\d\d-\d\d [\d:]+\n$/,
  )
  damageStore(bench)
  const failed = await bench.hold('dir', 'drill', bench.project)
  assert.equal(failed.exitCode, 1)
  assert.match(failed.stdout, /^NOT PROVEN: generation 1 /)
})

test('gc thins an old history, removes what nothing needs, and leaves the rest restorable', async () => {
  using bench = await kept()
  for (const text of ['two', 'three', 'four']) {
    bench.write('a.txt', text)
    await bench.printed('dir', 'commit', bench.project)
  }
  bench.write('a.txt', 'five')
  await bench.printed('dir', 'commit', bench.project, '-m', 'named')
  const young = JSON.parse(await bench.printed('dir', 'gc', bench.project, '--now', '-o', 'json'))
  assert.deepEqual([young.dropped.length, young.deletedPacks], [0, 0])
  const kept5 = await bench.holdWith(
    { laterMs: 3 * DAY_MS },
    'dir',
    'gc',
    bench.project,
    '--now',
    '--keep-all',
  )
  assert.match(kept5.stdout, /^Tidied in .*\n {2}dropped +0 generations\n/)
  const later = await bench.holdWith({ laterMs: 3 * DAY_MS }, 'dir', 'gc', bench.project, '--grace', '0s')
  assert.match(later.stdout, /dropped +3 generations\n/)
  assert.match(later.stdout, /removed +[1-9]\d* packs? /)
  const history = await bench.printed('dir', 'history', bench.project)
  assert.equal(history.match(/ dropped/g)?.length, 3)
  const restorable = history.split('\n').filter((line) => /^\d/.test(line) && !line.includes('dropped'))
  for (const line of restorable) {
    const sequence = line.split(' ')[0] ?? ''
    await bench.printed('dir', 'drill', bench.project, '--at', sequence)
    await bench.printed('dir', 'show', bench.project, sequence)
  }
  const [dropped = ''] = history.split('\n').filter((line) => line.includes('dropped'))
  const gone = await bench.hold(
    'dir',
    'restore',
    bench.project,
    '--to',
    'x',
    '--at',
    dropped.split(' ')[0] ?? '',
  )
  assert.match(gone.stderr, /its bytes were dropped by retention/)
  assert.match(await bench.printed('dir', 'verify', bench.project), /^Sound/)
})

test('gc --now refuses while another process writes', async () => {
  using bench = await kept()
  const watching = bench.hold('dir', 'watch', bench.project)
  while ((await bench.printed('dir', 'status', bench.project)).includes('none runs')) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const refused = await bench.hold('dir', 'gc', bench.project, '--now')
  assert.equal(refused.exitCode, 1)
  assert.match(refused.stderr, /process \d+ writes the history/)
  bench.signals.emit('SIGTERM')
  await watching
})

test('a fork goes its own way', async () => {
  using bench = await kept()
  const fork = join(bench.path, 'fork')
  bench.write('a.txt', 'not committed yet')
  assert.match(await bench.printed('dir', 'fork', bench.project, fork), /^Forked .* to .*\/fork, in /)
  assert.equal(readFileSync(join(fork, 'a.txt'), 'utf8'), 'not committed yet')
  writeFileSync(join(fork, 'a.txt'), 'changed')
  await bench.printed('dir', 'commit', fork)
  assert.equal(await bench.printed('dir', 'cat', bench.project, 'a.txt'), 'not committed yet')
  const old = join(bench.path, 'old')
  await bench.printed('dir', 'fork', bench.project, old, '--at', '1')
  assert.equal(readFileSync(join(old, 'a.txt'), 'utf8'), 'one')
  assert.equal((await bench.hold('dir', 'fork', bench.project, fork)).exitCode, 1)
})

test('a rollback goes back, keeps what was there, and can be rolled back', async () => {
  using bench = await kept()
  bench.write('a.txt', 'two')
  const text = await bench.printed('dir', 'rollback', bench.project, '1')
  assert.match(
    text,
    /^Rolled back to generation 1 .*\n {2}it is now generation 3 .*\n {2}what was there is generation 2 /,
  )
  assert.equal(readFileSync(join(bench.project, 'a.txt'), 'utf8'), 'one')
  await bench.printed('dir', 'rollback', bench.project, '2')
  assert.equal(readFileSync(join(bench.project, 'a.txt'), 'utf8'), 'two')
  assert.deepEqual(readdirSync(bench.path).sort(), ['home', 'project'])
})

test('a history that is gone is recovered from the store', async () => {
  using bench = await kept()
  const needless = await bench.hold('dir', 'rebuild', bench.project)
  assert.match(needless.stderr, /can be read/)
  const history = filesBelow(join(bench.home, 'orgs')).filter((path) => path.includes('index.sqlite'))
  for (const path of history) rmSync(path)
  const lost = await bench.hold('dir', 'history', bench.project)
  assert.match(lost.stderr, /is gone\n {2}→ run `hold dir rebuild`/)
  assert.match(await bench.printed('dir', 'rebuild', bench.project), /^Recovered 1 history from the store/)
  assert.equal(await bench.printed('dir', 'cat', bench.project, 'a.txt'), 'one')
  assert.match(await bench.printed('dir', 'commit', bench.project), /^Nothing has changed since generation 1/)
})

test('a fresh machine takes a history up from its store', async () => {
  using bench = await kept()
  const store = join(bench.path, 'elsewhere')
  renameSync(join(bench.home, 'store'), store)
  rmSync(bench.home, { recursive: true })
  rmSync(bench.project, { recursive: true })
  assert.match((await bench.hold('dir', 'rebuild', bench.project)).stderr, /name the store .* with --store/)
  await bench.printed('dir', 'rebuild', bench.project, '--store', store)
  await bench.printed('dir', 'restore', bench.project)
  assert.equal(readFileSync(join(bench.project, 'a.txt'), 'utf8'), 'one')
  const twice = await bench.hold('dir', 'rebuild', join(bench.path, 'other'), '--store', store)
  assert.match(twice.stderr, /is kept here for .*project/)
})

test('an exported file brings a directory to another machine, sealed or not', async () => {
  using bench = await kept()
  bench.write('a.txt', 'two')
  await bench.printed('dir', 'commit', bench.project, '-m', 'named')
  const file = join(bench.path, 'bundle')
  assert.match(
    await bench.printed('dir', 'export', bench.project, file, '--all'),
    /^Exported 2 generations to /,
  )
  assert.match((await bench.hold('dir', 'export', bench.project, file)).stderr, /exists/)
  const there = join(bench.path, 'there')
  const elsewhere = { environment: { HOLDFAST_HOME: join(bench.path, 'home2') } }
  const key = join(bench.path, 'key')
  const imported = await bench.holdWith(elsewhere, 'dir', 'import', file, there, '--new-key', key)
  assert.equal(imported.exitCode, 0, imported.stderr)
  assert.equal(readFileSync(join(there, 'a.txt'), 'utf8'), 'two')
  const history = await bench.holdWith(elsewhere, 'dir', 'history', there)
  assert.match(history.stdout, /^2 .* import .* named\n1 .* import /m)
  const sealed = join(bench.path, 'sealed')
  await bench.holdWith(elsewhere, 'dir', 'export', there, sealed)
  const refused = await bench.hold('dir', 'import', sealed, join(bench.path, 'back'))
  assert.match(refused.stderr, /sealed with another key: name it with --file-key/)
  await bench.printed('dir', 'import', sealed, join(bench.path, 'back'), '--file-key', key)
  assert.equal(readFileSync(join(bench.path, 'back/a.txt'), 'utf8'), 'two')
})
