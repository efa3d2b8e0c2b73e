import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import { noise } from '@holdfast/testkit/noise'
import { makeRandomTree } from '@holdfast/testkit/random-tree'
import { Holdfs } from '../holdfs/holdfs.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'

const MIB = 1 << 20

function writeDatabase(path: string, rows: number): void {
  using database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = wal; CREATE TABLE IF NOT EXISTS t (a)')
  database.exec('BEGIN')
  const insert = database.prepare('INSERT INTO t VALUES (?)')
  for (let row = 0; row < rows; row++) insert.run(`row ${row} `.repeat(20))
  database.exec('COMMIT')
}

/** Two committers over one directory: one stages it in steps on its own thread, one all at once on many. */
async function sameRoots(
  steps: readonly ((source: string) => void | Promise<void>)[],
): Promise<CommittedWorkspace> {
  const whole = await CommittedWorkspace.open()
  try {
    await using stepwise = await CommittedWorkspace.open({ source: whole.source })
    let root = ''
    for (const step of steps) {
      await step(whole.source)
      root = (await stepwise.commitNew()).root
    }
    assert.equal((await whole.commitNew()).root, root)
    return whole
  } catch (error) {
    await whole[Symbol.asyncDispose]()
    throw error
  }
}

/** Holds every put back until it is opened. */
class GatedStore extends MemoryObjectStore {
  onPut = () => {}
  puts = 0
  waiting = 0
  #open = () => {}
  readonly #opened = new Promise<void>((resolve) => {
    this.#open = resolve
  })

  constructor() {
    super(systemClock)
  }

  open(): void {
    this.#open()
  }

  override async put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    this.onPut()
    this.puts++
    this.waiting++
    await this.#opened
    await super.put(key, parts)
  }
}

describe('staging on many threads', () => {
  test('gives the root that staging on one gives: much changed at once, a large file, databases', async () => {
    await using whole = await sameRoots([
      async (source) => {
        await using holdfs = await Holdfs.start()
        mkdirSync(join(source, 'sub'))
        await makeRandomTree(holdfs, join(source, 'sub'), { seed: 9, names: 80 })
        writeDatabase(join(source, 'root.db'), 100)
        mkdirSync(join(source, 'apps'))
        writeDatabase(join(source, 'apps', 'app.db'), 200)
      },
      (source) => writeFileSync(join(source, 'apps', 'first.bin'), noise(1, 10 * MIB)),
      (source) => writeFileSync(join(source, 'second.bin'), noise(2, 10 * MIB)),
      (source) => writeFileSync(join(source, 'large.bin'), noise(3, 33 * MIB)),
    ])
    const { root } = await whole.commitNew({ always: true })
    await whole.assertRestores(root)
  })

  test('gives the root that a change list gives, of more names than one thread takes', async () => {
    await using listed = await CommittedWorkspace.open()
    await using whole = await CommittedWorkspace.open({ source: listed.source })
    const directories = new Set([''])
    mkdirSync(listed.path('kept'))
    writeFileSync(listed.path('kept/a'), 'a')
    const { id } = await listed.commitNew()
    for (let directory = 0; directory < 9; directory++) {
      const path = `d${directory}`
      mkdirSync(listed.path(path))
      for (let file = 0; file < 470; file++)
        writeFileSync(listed.path(`${path}/f${file}.txt`), `${directory} ${file}`)
      directories.add(path)
    }
    const changes = { kind: 'listed', since: id, directories, files: new Map(), moved: new Map() } as const
    const { root } = await listed.commitNew({ changes })
    assert.equal((await whole.commitNew()).root, root)
    rmSync(listed.path('d3'), { recursive: true })
    renameSync(listed.path('d4'), listed.path('moved'))
    writeFileSync(listed.path('d5/f7.txt'), 'changed')
    const after = await listed.commitNew({
      changes: {
        kind: 'listed',
        since: listed.committer.head?.id ?? '',
        directories: new Set(['', 'd5', 'moved']),
        files: new Map([['d5/f7.txt', 'all']]),
        moved: new Map([['moved', 'd4']]),
      },
    })
    assert.equal((await whole.commitNew()).root, after.root)
  })

  test('of a change list links every directory between those that it names', async () => {
    await using listed = await CommittedWorkspace.open()
    await using whole = await CommittedWorkspace.open({ source: listed.source })
    mkdirSync(listed.path('a/b/c/d'), { recursive: true })
    for (const path of ['a/1', 'a/b/2', 'a/b/c/3', 'a/b/c/d/4']) writeFileSync(listed.path(path), path)
    const { id } = await listed.commitNew()
    for (const path of ['a/1', 'a/b/c/d/4']) writeFileSync(listed.path(path), `${path} changed`)
    const files = new Map([['a/1', 'all'] as const, ['a/b/c/d/4', 'all'] as const])
    const directories = new Set(['a', 'a/b/c/d'])
    const changes = { kind: 'listed', since: id, directories, files, moved: new Map() } as const
    assert.equal((await listed.commitNew({ changes })).root, (await whole.commitNew()).root)
  })

  test('goes on with a new thread when one has ended', async () => {
    await using workspace = await CommittedWorkspace.open()
    writeFileSync(workspace.path('a'), noise(1, 17 * MIB))
    await workspace.commitNew()
    await workspace.deps.pool.threads()[0]?.stop()
    writeFileSync(workspace.path('b'), noise(2, 17 * MIB))
    await workspace.assertRestores((await workspace.commitNew()).root)
  })

  test('that fails in one of them is over in all of them before the commit rejects', async () => {
    const store = new GatedStore()
    await using workspace = await CommittedWorkspace.open({ store })
    for (const name of ['a', 'b']) mkdirSync(workspace.path(name))
    for (let file = 0; file < 6; file++) writeFileSync(workspace.path(`a/f${file}`), noise(file, 14 * MIB))
    for (const [index, name] of ['first', 'second', 'third'].entries())
      writeFileSync(workspace.path(`b/${name}`), noise(90 + index, 17 * MIB))
    store.onPut = () => rmSync(workspace.path('b/third'), { force: true })
    let isOver = false
    const commit = workspace.commit().finally(() => {
      isOver = true
    })
    commit.catch(() => {})
    while (store.waiting < 4) await systemClock.sleep(20)
    await systemClock.sleep(300)
    assert.equal(isOver, false, 'rejected while another thread still waits for its packs to be stored')
    store.open()
    await assert.rejects(commit, (error) => isFailure(error, 'file-unstable'))
    const { puts } = store
    await systemClock.sleep(100)
    assert.equal(store.puts, puts, 'packs of a commit that is over')
  })
})

describe('deduplication', () => {
  test('stores the second copy of a file as a name alone', async () => {
    await using workspace = await CommittedWorkspace.open()
    writeFileSync(workspace.path('small'), 'x'.repeat(5000))
    writeFileSync(workspace.path('large'), noise(5, 2 * MIB))
    const first = await workspace.commitNew()
    assert.ok(first.newBytes > 2 * MIB)
    for (const name of ['small', 'large']) {
      const bytes = noise(5, 2 * MIB)
      writeFileSync(workspace.path(`copy of ${name}`), name === 'large' ? bytes : 'x'.repeat(5000))
    }
    const second = await workspace.commitNew()
    assert.ok(second.newBytes < 3000, `${second.newBytes} bytes`)
    await workspace.assertRestores(second.root)
  })

  test('finds the unchanged parts of a file that grew in front', async () => {
    await using workspace = await CommittedWorkspace.open()
    writeFileSync(workspace.path('large'), noise(6, 4 * MIB))
    await workspace.commitNew()
    writeFileSync(workspace.path('large'), Buffer.concat([Buffer.from('in front'), noise(6, 4 * MIB)]))
    const { newBytes, root } = await workspace.commitNew()
    assert.ok(newBytes < MIB / 2, `${newBytes} bytes`)
    await workspace.assertRestores(root)
  })
})
