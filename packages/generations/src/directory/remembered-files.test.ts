import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import type { Remembered } from '../commit/committer.ts'
import { decodeDatabaseMemory, encodeDatabaseMemory } from '../stage/database-memory.ts'
import { loadRemembered, saveRemembered } from './remembered-files.ts'

function memoryBytes({ memories }: Remembered): Map<string, Buffer> {
  return new Map(
    [...memories].map(([path, memory]) => [
      path,
      Buffer.from(memory instanceof Uint8Array ? memory : encodeDatabaseMemory(memory)),
    ]),
  )
}

describe('what a committer remembers', () => {
  let folder: string
  let saved: Remembered
  let state: Buffer
  let memoryFile: string

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-remembered-'))
    await using workspace = await CommittedWorkspace.open()
    writeFileSync(workspace.path('file\xff'), 'x')
    using database = new DatabaseSync(workspace.path('a.db'))
    database.exec('PRAGMA journal_mode = wal; CREATE TABLE t (a); INSERT INTO t VALUES (1)')
    await workspace.commitNew()
    database.exec('INSERT INTO t VALUES (2)')
    await workspace.commitNew()
    saved = workspace.committer.remembered
    saveRemembered(folder, saved)
    state = readFileSync(join(folder, 'tree-state'))
    memoryFile = join(folder, 'databases', readdirSync(join(folder, 'databases'))[0] ?? '')
  })

  after(() => rmSync(folder, { recursive: true, force: true }))

  test('is loaded as it was saved', () => {
    const loaded = loadRemembered(folder)
    assert.ok(loaded)
    assert.equal(loaded.generation, saved.generation)
    assert.deepEqual([...loaded.state.encoded()].map(String), [...saved.state.encoded()].map(String))
    assert.deepEqual(memoryBytes(loaded), memoryBytes(saved))
    assert.equal(loaded.memories.size, 1)
  })

  test('is forgotten when the state is damaged anywhere or cut off', () => {
    for (let at = 0; at < state.length; at += 3) {
      const bytes = Buffer.from(state)
      bytes[at] = (bytes[at] ?? 0) ^ 0x10
      writeFileSync(join(folder, 'tree-state'), bytes)
      assert.equal(loadRemembered(folder), undefined)
      writeFileSync(join(folder, 'tree-state'), state.subarray(0, at))
      assert.equal(loadRemembered(folder), undefined)
    }
    writeFileSync(join(folder, 'tree-state'), state)
  })

  test('is never another memory of a database than the one saved, whichever byte was damaged', () => {
    const sound = readFileSync(memoryFile)
    const wanted = memoryBytes(saved)
    for (let at = 0; at < sound.length; at++) {
      const bytes = Buffer.from(sound)
      bytes[at] = (bytes[at] ?? 0) ^ 0x01
      writeFileSync(memoryFile, bytes)
      const loaded = loadRemembered(folder)
      if (loaded) assert.deepEqual(memoryBytes(loaded), wanted, `byte ${at}`)
    }
    writeFileSync(memoryFile, sound)
  })

  test('of a database is read as it was written', () => {
    for (const bytes of memoryBytes(saved).values())
      assert.deepEqual(Buffer.from(encodeDatabaseMemory(decodeDatabaseMemory(bytes))), bytes)
  })

  test('is nothing where nothing was saved', () => {
    assert.equal(loadRemembered(join(folder, 'absent')), undefined)
  })
})
