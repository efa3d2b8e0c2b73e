import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import type { CommitOutcome } from '../commit/committer.ts'
import { LiveVolume } from './live-volume.ts'

class LiveWorkspace implements AsyncDisposable {
  readonly workspace: CommittedWorkspace
  readonly #volume: LiveVolume

  private constructor(workspace: CommittedWorkspace) {
    this.workspace = workspace
    const deps = { holdfs: workspace.holdfs, clock: systemClock, randomness: systemRandomness }
    this.#volume = new LiveVolume(deps, workspace.source)
  }

  static async open(): Promise<LiveWorkspace> {
    return new LiveWorkspace(await CommittedWorkspace.open())
  }

  async commit(): Promise<CommitOutcome> {
    await using capture = await this.#volume.capture(null)
    const outcome = await this.workspace.committer.commit(capture.image, { cause: 'sync', message: '' })
    if (outcome.kind === 'committed') await capture.accept(outcome.generation.id)
    return outcome
  }

  async rowsIn(root: string, name: string): Promise<number> {
    const restored = await this.workspace.restore(root)
    const database = new DatabaseSync(`${restored}/${name}`, { readOnly: true })
    const count = Number(database.prepare('SELECT count(*) AS count FROM t').get()?.count)
    database.close()
    return count
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#volume[Symbol.asyncDispose]()
    await this.workspace[Symbol.asyncDispose]()
  }
}

function run(path: string, sql: string): void {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

test('a rollback-journal database that is being written stays as it was last kept, and the generation says so', async () => {
  await using live = await LiveWorkspace.open()
  const path = live.workspace.path('app.db')
  run(path, 'CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  await live.commit()
  const writer = fork(fileURLToPath(new URL('./long-transaction.fixture.ts', import.meta.url)), [path])
  await once(writer, 'message')
  run(live.workspace.path('other.db'), 'CREATE TABLE u (y)')

  const during = await live.commit()
  assert.ok(during.kind === 'committed')
  assert.deepEqual(during.generation.notices, [{ path: 'app.db', reason: 'not-captured' }])
  assert.equal(await live.rowsIn(during.generation.root, 'app.db'), 1)
  await assert.rejects(live.commit(), { code: 'file-unstable' }, 'nothing else changed')

  writer.send('commit')
  await once(writer, 'exit')
  const after = await live.commit()
  assert.ok(after.kind === 'committed')
  assert.deepEqual(after.generation.notices, [])
  assert.equal(await live.rowsIn(after.generation.root, 'app.db'), 51)
})

test('a commit waits for no writer of a database that keeps a WAL', async () => {
  await using live = await LiveWorkspace.open()
  const owner = new DatabaseSync(live.workspace.path('app.db'))
  owner.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  owner.exec('BEGIN IMMEDIATE; INSERT INTO t VALUES (2)')
  const outcome = await live.commit()
  assert.ok(outcome.kind === 'committed')
  assert.deepEqual(outcome.generation.notices, [])
  assert.equal(await live.rowsIn(outcome.generation.root, 'app.db'), 1)
  owner.exec('COMMIT')
  owner.close()
})
