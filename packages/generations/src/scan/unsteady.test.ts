import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { commitInProcess } from '@holdfast/testkit/commit-process'
import { CommittedWorkspace, ORG } from '@holdfast/testkit/committed-workspace'
import { withFormattedImage } from '@holdfast/testkit/ext4-image'
import { noise } from '@holdfast/testkit/noise'
import { SqliteGenerationIndex } from '../index/sqlite-generation-index.ts'

const MIB = 1 << 20
const NOBODY = 65_534

/** A process that does one thing to a path again and again until the end of the scope. */
class Disturbance implements AsyncDisposable {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** `step` is JavaScript with `fs`, `path` and a counter `n`. */
  static async start(step: string, path: string): Promise<Disturbance> {
    const loop = `const fs = require('node:fs'); const path = process.argv[1]; let n = 0
      const steps = () => { for (const end = performance.now() + 50; performance.now() < end; n++) { ${step} } }
      steps(); process.stdout.write('x'); setInterval(steps, 0)`
    const child = spawn(process.execPath, ['-e', loop, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    return new Disturbance(child)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

describe('a file that changes while it is read', () => {
  test('without end is refused as unstable, and committed once it rests', async () => {
    await using workspace = await CommittedWorkspace.open()
    const path = workspace.path('restless')
    writeFileSync(path, noise(1, 6 * MIB))
    {
      await using _writer = await Disturbance.start(
        `const fd = fs.openSync(path, 'r+'); fs.writeSync(fd, String(n), n % 4096); fs.closeSync(fd)`,
        path,
      )
      await assert.rejects(workspace.commit(), (error) => isFailure(error, 'file-unstable'))
    }
    await workspace.assertRestores((await workspace.commitNew()).root)
  })

  test('is not read again without its holes: a sparse terabyte is refused at once', async () => {
    await using workspace = await CommittedWorkspace.open()
    const path = workspace.path('sparse')
    writeFileSync(path, noise(1, 6 * MIB))
    truncateSync(path, 2 ** 40)
    {
      await using _writer = await Disturbance.start(
        `const fd = fs.openSync(path, 'r+'); fs.writeSync(fd, String(n), n % 4096); fs.closeSync(fd)`,
        path,
      )
      await assert.rejects(workspace.commit(), (error) => isFailure(error, 'file-unstable'))
    }
    await workspace.assertRestores((await workspace.commitNew()).root)
  })

  test('by growing alone is committed as its beginning, with a notice', async () => {
    await using workspace = await CommittedWorkspace.open()
    const path = workspace.path('log')
    const beginning = noise(2, 6 * MIB)
    writeFileSync(path, beginning)
    let root = ''
    {
      await using _writer = await Disturbance.start(`fs.appendFileSync(path, 'more\\n')`, path)
      const generation = await workspace.commitNew()
      assert.deepEqual(generation.notices, [{ path: 'log', reason: 'appended-while-read' }])
      root = generation.root
    }
    const restored = join(await workspace.restore(root), 'log')
    assert.ok(lstatSync(restored).size >= beginning.length)
    execFileSync('cmp', ['-n', String(lstatSync(restored).size), restored, path])
    const later = await workspace.commitNew()
    assert.deepEqual(later.notices, [])
    await workspace.assertRestores(later.root)
  })

  test('is found in the next commit, whenever the change came', async () => {
    await using workspace = await CommittedWorkspace.open()
    const path = workspace.path('file')
    for (let round = 0; round < 5; round++) {
      writeFileSync(path, noise(round, MIB))
      await workspace.commitNew()
      appendFileSync(path, 'x')
      await workspace.commitNew()
      truncateSync(path, 10)
      await workspace.assertRestores((await workspace.commitNew()).root)
    }
  })
})

describe('a tree that changes while it is scanned', () => {
  test('gives a generation or a named failure that says to try again, never a half-truth', async () => {
    await using workspace = await CommittedWorkspace.open()
    for (let directory = 0; directory < 40; directory++) {
      mkdirSync(workspace.path(`d${directory}/e`), { recursive: true })
      writeFileSync(workspace.path(`d${directory}/e/f`), 'x')
    }
    {
      await using _mover = await Disturbance.start(
        `const d = path + '/d' + n % 40
        if (n % 3 === 0) { fs.rmSync(d, { recursive: true, force: true }) }
        else { fs.mkdirSync(d + '/e/g' + n % 7, { recursive: true }); fs.writeFileSync(d + '/e/f', String(n)) }`,
        workspace.source,
      )
      for (let round = 0; round < 25; round++) {
        try {
          await workspace.commit()
        } catch (error) {
          assert.ok(isFailure(error, 'file-unstable'), String(error))
        }
      }
    }
    await workspace.commit({ always: true })
    await workspace.assertRestores(workspace.committer.head?.root ?? '')
  })

  test('by many threads says to try again when a directory appears that nobody was given', async () => {
    await using workspace = await CommittedWorkspace.open()
    for (let file = 0; file < 4100; file++) writeFileSync(workspace.path(`f${file}`), '')
    mkdirSync(workspace.path('d'))
    await using _maker = await Disturbance.start(
      `fs.mkdirSync(path + '/n' + n % 500, { recursive: true })
      fs.rmSync(path + '/n' + (n + 250) % 500, { recursive: true, force: true })`,
      workspace.source,
    )
    for (let round = 0; round < 4; round++) {
      const outcome = await workspace.commit().catch((error: unknown) => error)
      if (outcome instanceof Error) assert.ok(isFailure(outcome, 'file-unstable'), String(outcome))
    }
  })

  test('without a freeze is committed at the first try, without the names that went meanwhile', async () => {
    const churn = `const d = path + '/d' + n % 60, t = path + '/t' + n % 50
      fs.writeFileSync(t, String(n)); fs.writeFileSync(d + '/' + n % 30, 'x'.repeat(n % 900))
      if (n % 3 === 0) fs.rmSync(t, { force: true })
      if (n % 4 === 0) fs.rmSync(d + '/' + (n + 7) % 30, { force: true })
      if (n % 5 === 0) { fs.symlinkSync('x', t + 'l'); fs.rmSync(t + 'l') }
      if (n % 7 === 0) { const e = d + '/e' + n % 11; fs.mkdirSync(e + '/f', { recursive: true }); fs.writeFileSync(e + '/f/g', 'x') }
      if (n % 9 === 0) fs.rmSync(d + '/e' + n % 11, { recursive: true, force: true })`
    for (const resting of [20, 4100]) {
      await using workspace = await CommittedWorkspace.open()
      for (let directory = 0; directory < 60; directory++) mkdirSync(workspace.path(`d${directory}`))
      mkdirSync(workspace.path('rest'))
      for (let file = 0; file < resting; file++) writeFileSync(workspace.path(`rest/${file}`), String(file))
      {
        await using _writer = await Disturbance.start(churn, workspace.source)
        for (let round = 0; round < 5; round++)
          await workspace.commitNew({ consistency: 'per-database', always: true })
      }
      const { root = '' } = workspace.committer.head ?? {}
      const { files } = await workspace.deps.index.generation(workspace.committer.head?.id ?? '')
      const restored = await workspace.restore(root)
      assert.equal(readdirSync(join(restored, 'rest')).length, resting)
      const found = readdirSync(restored, { recursive: true, withFileTypes: true })
      assert.equal(found.filter((entry) => entry.isFile()).length, files)
      await workspace.commit({ consistency: 'per-database', always: true })
      await workspace.assertRestores(workspace.committer.head?.root ?? '')
    }
  })

  test('whose root goes while it is read without a freeze is refused, not committed as what was left', async () => {
    await using workspace = await CommittedWorkspace.open()
    for (let file = 0; file < 3000; file++) writeFileSync(workspace.path(`f${file}`), String(file))
    const committing = workspace.commit({ consistency: 'per-database' })
    rmSync(workspace.source, { recursive: true })
    await assert.rejects(committing, (error) => isFailure(error, 'file-unstable'))
    assert.equal((await workspace.deps.index.workspace('ws')).head, null)
  })

  test('whose root is gone is refused, not committed as empty', async () => {
    await using workspace = await CommittedWorkspace.open()
    writeFileSync(workspace.path('a'), 'a')
    const { id } = await workspace.commitNew()
    rmSync(workspace.source, { recursive: true })
    await assert.rejects(workspace.commit(), (error) => isFailure(error, 'file-unstable'))
    assert.equal((await workspace.deps.index.workspace('ws')).head, id)
  })
})

describe('a file that may not be read', () => {
  test('because its disk fails is named, and nothing is committed', async () => {
    await using workspace = await CommittedWorkspace.open()
    await withFormattedImage(32 << 20, ['-O', '^has_journal'], async (mountDir, image) => {
      mkdirSync(workspace.path('disk'))
      writeFileSync(join(mountDir, 'file'), noise(1, 8 * MIB))
      execFileSync('sync', ['-f', mountDir])
      execFileSync('dd', [`if=${mountDir}/file`, 'iflag=nocache', 'count=0', 'status=none'])
      execFileSync('mount', ['--bind', mountDir, workspace.path('disk')])
      try {
        truncateSync(image, 1 * MIB)
        await assert.rejects(workspace.commit(), (error) => {
          return isFailure(error, 'source-failed') && error.details.errno === 'EIO'
        })
      } finally {
        execFileSync('umount', [workspace.path('disk')])
      }
    })
  })

  test('fails the commit of a plain user by name, and is committed once it may', async () => {
    await using workspace = await CommittedWorkspace.open()
    const ground = join(workspace.home, 'nobody')
    const source = join(ground, 'source')
    mkdirSync(join(source, 'd'), { recursive: true })
    writeFileSync(join(source, 'd/secret'), 'secret')
    const options = { source, store: join(ground, 'store'), index: join(ground, 'index'), workspace: 'ws' }
    {
      await using index = await SqliteGenerationIndex.open({ path: options.index })
      await index.createWorkspace({ id: 'ws', org: ORG })
    }
    execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, ground])
    chmodSync(workspace.home, 0o755)
    chownSync(join(source, 'd/secret'), 0, 0)
    chmodSync(join(source, 'd/secret'), 0o600)
    const user = { uid: NOBODY, gid: NOBODY }
    const refused = await commitInProcess(options, user)
    assert.equal(refused.kind === 'failed' && refused.code, 'no-permission')
    assert.equal(refused.kind === 'failed' && refused.details.path, 'd/secret')
    chmodSync(join(source, 'd/secret'), 0o644)
    chmodSync(join(source, 'd'), 0)
    const hidden = await commitInProcess(options, user)
    assert.equal(hidden.kind === 'failed' && hidden.code, 'no-permission')
    chmodSync(join(source, 'd'), 0o755)
    assert.equal((await commitInProcess(options, user)).kind, 'committed')
  })
})

describe('files of several file systems under one directory', () => {
  test('that share an inode number are not taken for one file', async () => {
    await using workspace = await CommittedWorkspace.open()
    const mounts = ['one', 'two'].map((name) => workspace.path(name))
    for (const path of mounts) {
      mkdirSync(path)
      execFileSync('mount', ['-t', 'tmpfs', 'none', path])
    }
    try {
      for (const path of mounts) {
        writeFileSync(join(path, 'a'), path)
        linkSync(join(path, 'a'), join(path, 'b'))
      }
      const [one, two] = mounts.map((path) => lstatSync(join(path, 'a')).ino)
      assert.equal(one, two, 'the premise of this test')
      await workspace.assertRestores((await workspace.commitNew()).root)
    } finally {
      for (const path of mounts) execFileSync('umount', [path])
    }
  })
})

describe('a database', () => {
  test('with holes in it is still found to be one, with its WAL', async () => {
    await using workspace = await CommittedWorkspace.open()
    const path = workspace.path('a.db')
    const database = new DatabaseSync(path)
    database.exec('PRAGMA journal_mode = wal; CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))')
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    database.close()
    execFileSync('cp', ['--sparse=always', path, workspace.path('sparse.db')])
    rmSync(path)
    using again = new DatabaseSync(workspace.path('sparse.db'))
    again.exec("PRAGMA wal_autocheckpoint = 0; INSERT INTO t VALUES ('in the WAL')")
    const { databases, files, root } = await workspace.commitNew()
    assert.equal(`${files} file, ${databases} database`, '1 file, 1 database')
    await workspace.assertRestores(root)
  })

  test('that is written, checkpointed and cut short while it is read gives a sound database or says to try again', async () => {
    await using workspace = await CommittedWorkspace.open()
    const path = workspace.path('busy.db')
    {
      using database = new DatabaseSync(path)
      database.exec('PRAGMA journal_mode = wal; CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(2000000))')
    }
    await using _writer = await Disturbance.start(
      `globalThis.db ??= new (require('node:sqlite').DatabaseSync)(path, { timeout: 1000 })
      db.exec('BEGIN; INSERT INTO t VALUES (randomblob(90000)); UPDATE t SET a = randomblob(90000) WHERE rowid % 5 = 0; COMMIT')
      if (n % 5 === 0) db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      if (n % 20 === 0) db.exec('DELETE FROM t; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)')`,
      path,
    )
    const roots = new Set<string>()
    for (let round = 0; round < 15; round++) {
      const outcome = await workspace.commit().catch((error: unknown) => error)
      if (outcome instanceof Error) assert.ok(isFailure(outcome, 'file-unstable'), String(outcome.stack))
      roots.add(workspace.committer.head?.root ?? '')
    }
    for (const root of [...roots].filter((each) => each !== '').slice(-3)) {
      using restored = new DatabaseSync(join(await workspace.restore(root), 'busy.db'))
      assert.deepEqual({ ...restored.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
    }
  })
})
