import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { Workbench } from '../../workbench.fixture.ts'

/** Kills a transaction over two databases when it has changed the first one only. */
function killCommonTransaction(bench: Workbench): void {
  for (const name of ['a.db', 'b.db']) bench.sql(name, 'CREATE TABLE t (x); INSERT INTO t VALUES (0)')
  const [a, b] = [join(bench.project, 'a.db'), join(bench.project, 'b.db')]
  const sql = `ATTACH '${b}' AS b; BEGIN; INSERT INTO main.t VALUES (1); INSERT INTO b.t VALUES (1); COMMIT;`
  const kill = ['-e', 'trace=pwrite64', '-e', 'inject=pwrite64:signal=KILL:when=1', '-P', b]
  const { status } = spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', ...kill, 'sqlite3', a, sql])
  assert.notEqual(status, 0)
}

test('a restore or fork elsewhere names the databases that recover only at their path, one at it does not', async () => {
  using bench = new Workbench()
  killCommonTransaction(bench)
  await bench.printed('dir', 'init', bench.project)
  await bench.printed('dir', 'commit', bench.project)
  const recoverElsewhere = ['a.db', 'b.db'].map((database) => ({ database, recoversAt: bench.project }))
  const to = (name: string) => join(bench.path, name)
  for (const words of [
    ['restore', bench.project, '--to'],
    ['fork', bench.project],
  ]) {
    const { exitCode, stderr } = await bench.hold('dir', ...words, to(`${words[0]}-text`))
    assert.equal(exitCode, 0)
    assert.match(stderr, /Do not open a\.db, b\.db here: .* recovers only at /)
    assert.ok(stderr.includes(`at ${bench.project}\n`), stderr)
    const told = (await bench.json('dir', ...words, to(`${words[0]}-json`))) as Record<string, unknown>
    assert.deepEqual(told.recoverElsewhere, recoverElsewhere)
  }
  const moved = to('moved')
  spawnSync('mv', [bench.project, moved])
  const back = (await bench.json('dir', 'restore', bench.project)) as Record<string, unknown>
  assert.deepEqual(back.recoverElsewhere, [])
})
