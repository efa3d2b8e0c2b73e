import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { Failure } from '@holdfast/base/failure'
import { appendChain, ORG, rejectsWith, WORKSPACE } from '@holdfast/testkit/generation-index-fixture'
import fc from 'fast-check'
import { SqliteGenerationIndex } from './sqlite-generation-index.ts'

async function withPath(use: (path: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-index-'))
  try {
    await use(join(directory, 'history.db'))
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function writeHistory(path: string, count: number): Promise<void> {
  await using index = await SqliteGenerationIndex.open({ path })
  await index.createWorkspace({ id: WORKSPACE, org: ORG })
  await appendChain(index, await index.acquire(WORKSPACE), { count })
}

function change(path: string, sql: string): void {
  using database = new DatabaseSync(path)
  database.exec(sql)
}

test('a database of another program is refused as foreign and left byte for byte as it is', () =>
  withPath(async (path) => {
    for (const sql of [
      'CREATE TABLE notes (text)',
      'CREATE TABLE meta (version)',
      "CREATE TABLE meta (key, value); INSERT INTO meta VALUES ('format', 'other')",
    ]) {
      change(path, sql)
      const before = await readFile(path)
      await rejectsWith('foreign-format', SqliteGenerationIndex.open({ path }))
      assert.deepEqual(await readFile(path), before)
      await rm(path)
    }
  }))

test('a history of a newer version is refused and left byte for byte as it is', () =>
  withPath(async (path) => {
    await writeHistory(path, 1)
    change(path, "UPDATE meta SET value = '2' WHERE key = 'version'")
    const before = await readFile(path)
    await rejectsWith('version-unknown', SqliteGenerationIndex.open({ path }))
    assert.deepEqual(await readFile(path), before)
    for (const version of ['zero', '0', '-1', '1.5']) {
      change(path, `UPDATE meta SET value = '${version}' WHERE key = 'version'`)
      await rejectsWith('history-corrupt', SqliteGenerationIndex.open({ path }))
    }
  }))

test('a history that must exist is not begun where there is none, or an empty file', () =>
  withPath(async (path) => {
    await rejectsWith('not-found', SqliteGenerationIndex.open({ path, mustExist: true }))
    await writeFile(path, '')
    await rejectsWith('not-found', SqliteGenerationIndex.open({ path, mustExist: true }))
    await writeHistory(path, 1)
    await using index = await SqliteGenerationIndex.open({ path, mustExist: true })
    assert.equal((await index.history(WORKSPACE, { limit: 9 })).length, 1)
  }))

test('a file that is no database is refused as corrupt, a missing directory as not permitted', () =>
  withPath(async (path) => {
    await writeFile(path, 'these are not pages\n'.repeat(500))
    await rejectsWith('history-corrupt', SqliteGenerationIndex.open({ path }))
    await rejectsWith('no-permission', SqliteGenerationIndex.open({ path: join(path, 'none', 'history.db') }))
    const mustExist = { path: join(path, 'below-a-file'), mustExist: true }
    await rejectsWith('no-permission', SqliteGenerationIndex.open(mustExist))
  }))

test('a history that was copied without its write-ahead log gets one again', () =>
  withPath(async (path) => {
    await writeHistory(path, 1)
    change(path, 'PRAGMA journal_mode = DELETE')
    await (await SqliteGenerationIndex.open({ path }))[Symbol.asyncDispose]()
    using database = new DatabaseSync(path)
    assert.deepEqual({ ...database.prepare('PRAGMA journal_mode').get() }, { journal_mode: 'wal' })
  }))

test('a row that this version cannot mean is reported as corrupt', () =>
  withPath(async (path) => {
    await writeHistory(path, 2)
    change(path, "UPDATE generations SET cause = 'whim' WHERE sequence = 1")
    change(path, "UPDATE generations SET consistency = 'lucky' WHERE sequence = 2")
    await using index = await SqliteGenerationIndex.open({ path })
    await rejectsWith('history-corrupt', index.history(WORKSPACE, { limit: 1 }))
    await rejectsWith('history-corrupt', index.history(WORKSPACE, { limit: 1, beforeSequence: 2 }))
  }))

/** Every call that a damaged history gets must end in an answer or in a named failure. */
async function readEverything(path: string): Promise<void> {
  await using index = await SqliteGenerationIndex.open({ path })
  const lease = await index.acquire(WORKSPACE)
  const [newest] = await index.history(WORKSPACE, { limit: 10_000 })
  await index.chunkIndex(WORKSPACE)
  await index.packs(ORG, 'live')
  await appendChain(index, lease, { count: 1, after: newest ?? null })
}

test('a damaged history gives a named failure or an answer, never another error', () =>
  withPath(async (path) => {
    await writeHistory(path, 40)
    const intact = await readFile(path)
    const damage = fc.array(fc.tuple(fc.nat(intact.length - 1), fc.nat(255)), { minLength: 1, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(damage, fc.nat(intact.length), async (bytes, cutAt) => {
        const damaged = Buffer.from(intact)
        for (const [at, value] of bytes) damaged[at] = value
        for (const suffix of ['-wal', '-shm']) await rm(`${path}${suffix}`, { force: true })
        await writeFile(path, cutAt % 4 === 0 ? damaged.subarray(0, cutAt) : damaged)
        try {
          await readEverything(path)
        } catch (error) {
          assert.ok(error instanceof Failure, `${String(error)}`)
        }
      }),
      { numRuns: process.env.HOLDFAST_LONG ? 1_000 : 60 },
    )
  }))
