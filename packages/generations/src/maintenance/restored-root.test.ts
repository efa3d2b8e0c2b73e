import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { fromText } from '../format/byte-string.ts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import type { GenerationRow } from '../index/generation-index.ts'
import { RestoreThreads } from '../restore/restore-threads.ts'
import { restoreTree } from '../restore/restore-tree.ts'
import { openReadable, type ReadableChunks } from './mark-workspace.ts'
import { type RestoredRoot, restoredRoot } from './restored-root.ts'
import { ORG, World } from './world.fixture.ts'

/** Every time in the tree, so that a harm can be hidden from the times. */
const SECONDS = 9

/** Changes a restored tree; the times of all it touched are put back, so that only the harm itself shows. */
type Harm = (path: string, world: World) => void | Promise<void>

function age(path: string): void {
  for (const name of ['.', ...readdirSync(path, { recursive: true, encoding: 'utf8' })])
    lutimesSync(join(path, name), SECONDS, SECONDS)
}

const rewrite =
  (name: string, change: (path: string) => void): Harm =>
  (path) =>
    change(join(path, name))

/** Harms to the times themselves, which are not put back. */
const TIMES: Readonly<Record<string, Harm>> = {
  'a time': (path) => utimesSync(join(path, 'plain'), 5, 5),
  'a time of a link': (path) => lutimesSync(join(path, 'link'), 5, 5),
  'the time of the root': (path) => utimesSync(path, 5, 5),
}

const writeAt = (name: string, position: number, byte: number) =>
  rewrite(name, (path) => {
    const fd = openSync(path, 'r+')
    writeSync(fd, Buffer.of(byte), 0, 1, position)
    closeSync(fd)
  })

const setXattr =
  (name: string, value: string): Harm =>
  async (path, world) => {
    const xattrs = [{ name: 'user.note', value }]
    const failed = await world.holdfs.applyAttributes([
      { directory: fromText(path), entries: [{ name, xattrs }] },
    ])
    assert.deepEqual(failed, [])
  }

const HARMS: Readonly<Record<string, Harm>> = {
  'a byte of a small file': writeAt('plain', 3, 0),
  'the last byte of a large file': writeAt('sub/large', (3 << 20) - 1, 0),
  'a byte in the middle of a large file': writeAt('sub/large', 1_500_000, 0),
  'a byte in a hole': writeAt('sub/sparse', 2_000_000, 1),
  'a byte of a database': writeAt('app.db', 4096 + 50, 255),
  'a file that is shorter': rewrite('plain', (path) => truncateSync(path, 10)),
  'a file that is longer by zeros': rewrite('plain', (path) => truncateSync(path, 5000)),
  'a database that is shorter': rewrite('app.db', (path) => truncateSync(path, 4096)),
  'a mode': (path) => chmodSync(join(path, 'plain'), 0o600),
  'an owner': (path) => chownSync(join(path, 'plain'), 7, 7),
  'an attribute': setXattr('plain', 'other'),
  'an attribute that was not there': setXattr('single', 'new'),
  'the mode of a directory': (path) => chmodSync(join(path, 'sub'), 0o700),
  'a name more': (path) => writeFileSync(join(path, 'sub/more'), ''),
  'a name less': (path) => rmSync(join(path, 'sub/empty')),
  'a directory in the place of a file': (path) => {
    rmSync(join(path, 'single'))
    mkdirSync(join(path, 'single'))
  },
  'a link in the place of a file': (path) => {
    rmSync(join(path, 'single'))
    symlinkSync('plain', join(path, 'single'))
  },
  'a file in the place of a link': (path) => {
    rmSync(join(path, 'link'))
    writeFileSync(join(path, 'link'), 'plain')
  },
  'the target of a link': (path) => {
    rmSync(join(path, 'link'))
    symlinkSync('other', join(path, 'link'))
  },
  'a hard link that became a copy': (path) => {
    copyFileSync(join(path, 'hard'), join(path, 'copy'))
    rmSync(join(path, 'hard'))
    execFileSync('cp', ['-p', '--no-preserve=links', join(path, 'plain'), join(path, 'hard')])
    rmSync(join(path, 'copy'))
  },
  'two equal files that became one': (path) => {
    rmSync(join(path, 'twin'))
    linkSync(join(path, 'single'), join(path, 'twin'))
  },
}

describe('the root of a restored tree', () => {
  let world: World
  let row: GenerationRow
  let chunks: ReadableChunks
  let restored: string

  before(async () => {
    world = await World.make()
    const workspace = await world.workspace('ws-1')
    workspace.write('plain', 'text '.repeat(100))
    linkSync(join(workspace.path, 'plain'), join(workspace.path, 'hard'))
    workspace.write('single', 'twins')
    workspace.write('twin', 'twins')
    symlinkSync('plain', join(workspace.path, 'link'))
    workspace.write('sub/empty', '')
    workspace.write('sub/large', randomFillSync(Buffer.alloc(3 << 20)))
    workspace.write('sub/sparse', 'x')
    truncateSync(join(workspace.path, 'sub/sparse'), 5 << 20)
    await setXattr('plain', 'note')(workspace.path, world)
    {
      using database = new DatabaseSync(join(workspace.path, 'app.db'))
      database.exec('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
    }
    age(workspace.path)
    row = await world.index.generation(await workspace.commit())
    chunks = await openReadable(world.deps, { org: ORG, workspace: 'ws-1' })
    restored = join(world.path, 'restored')
    mkdirSync(restored)
    const threads = new RestoreThreads(1, null)
    const deps = { ...world.deps, chunks: chunks.reader, holdfs: world.holdfs, threads, setOwners: true }
    await restoreTree(deps, { root: chunkIdFromHex(row.root), path: restored })
  })
  after(() => world[Symbol.asyncDispose]())

  const rootOfCopy = async (harm: Harm, hidden = true): Promise<RestoredRoot> => {
    const path = join(world.path, 'copy')
    execFileSync('cp', ['-a', restored, path])
    try {
      await harm(path, world)
      if (hidden) age(path)
      const deps = { chunks: chunks.reader, holdfs: world.holdfs, setOwners: true }
      return await restoredRoot(deps, { path, root: chunkIdFromHex(row.root) })
    } finally {
      rmSync(path, { recursive: true })
    }
  }

  test('is the recorded root, whether holes are holes or zeros', async () => {
    for (const harm of [() => {}, rewrite('sub/sparse', (path) => writeFileSync(path, readFileSync(path)))]) {
      const found = await rootOfCopy(harm)
      assert.deepEqual(found, { root: row.root, differing: [], databases: ['app.db'] })
    }
  })

  for (const [what, harm] of [...Object.entries(HARMS), ...Object.entries(TIMES)]) {
    test(`tells ${what}`, async () => {
      const { differing } = await rootOfCopy(harm, what in HARMS)
      assert.ok(differing.length > 0)
    })
  }

  test('lends the recorded owners where a restore cannot set them', async () => {
    const path = join(world.path, 'copy')
    execFileSync('cp', ['-a', restored, path])
    chownSync(join(path, 'single'), 7, 7)
    const deps = { chunks: chunks.reader, holdfs: world.holdfs, setOwners: false }
    assert.equal((await restoredRoot(deps, { path, root: chunkIdFromHex(row.root) })).root, row.root)
    rmSync(path, { recursive: true })
  })
})
