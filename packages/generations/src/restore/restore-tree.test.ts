import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { commitInProcess } from '@holdfast/testkit/commit-process'
import { CommittedWorkspace, ORG } from '@holdfast/testkit/committed-workspace'
import { noise } from '@holdfast/testkit/noise'
import { makeRandomTree } from '@holdfast/testkit/random-tree'
import { assertSameTree } from '@holdfast/testkit/tree-facts'
import { chunkIdOf, chunkIdToHex } from '../format/chunk-id.ts'
import type { Attributes, Entry } from '../format/entry.ts'
import { type EncodedNode, encodeDirectory, encodeEntry, encodeRoot } from '../format/tree-node.ts'
import { SqliteGenerationIndex } from '../index/sqlite-generation-index.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'

const NOBODY = 65_534
const TIB = 1024 ** 4
const refused = (error: unknown) => isFailure(error, 'object-corrupt', 'chunk-corrupt')

/** The blocks that a file takes, in bytes. */
function allocated(path: string): number {
  return lstatSync(path).blocks * 512
}

async function onlyKey(store: MemoryObjectStore): Promise<string> {
  for await (const { key } of store.list('')) return key
  return assert.fail('an empty store')
}

describe('a restored tree', () => {
  test('has its holes again: a sparse file of eight terabytes takes what its data takes', async () => {
    await using workspace = await CommittedWorkspace.open()
    const path = workspace.path('sparse')
    const fd = openSync(path, 'w')
    for (const at of [5_000_000, TIB, 7 * TIB + 123]) writeSync(fd, 'data', at)
    ftruncateSync(fd, 8 * TIB)
    closeSync(fd)
    writeFileSync(workspace.path('hole alone'), '')
    execFileSync('truncate', ['-s', '3M', workspace.path('hole alone')])
    const { root, newBytes, bytes } = await workspace.commitNew()
    assert.ok(newBytes < 20_000, `${newBytes} bytes stored`)
    assert.equal(bytes, 8 * TIB + 3 * 1024 ** 2)
    const restored = await workspace.restore(root)
    assert.equal(lstatSync(join(restored, 'sparse')).size, 8 * TIB)
    assert.ok(allocated(join(restored, 'sparse')) <= allocated(path) + 16_384)
    assert.ok(allocated(join(restored, 'hole alone')) <= 4096)
    await workspace.assertRestores(root)
    const again = openSync(path, 'r+')
    writeSync(again, 'more', 3 * TIB)
    closeSync(again)
    await workspace.assertRestores((await workspace.commitNew()).root)
  })

  test('has the modes, set-id bits and times of the source, also where nobody may enter', async () => {
    await using workspace = await CommittedWorkspace.open()
    const { holdfs, source } = workspace
    mkdirSync(workspace.path('closed/inside'), { recursive: true })
    writeFileSync(workspace.path('closed/inside/file'), 'x')
    for (const mode of [0o4711, 0o2755, 0o1777, 0o7777, 0o000, 0o444])
      writeFileSync(workspace.path(`mode ${mode.toString(8)}`), '', { mode: 0o600 })
    for (const mode of [0o4711, 0o2755, 0o1777, 0o7777, 0o000, 0o444])
      chmodSync(workspace.path(`mode ${mode.toString(8)}`), mode)
    symlinkSync('mode 0', workspace.path('link'))
    const names = ['link', 'mode 0', '.'].map((name, index) => ({
      name,
      mtimeNs: [-1_000_000_001n, 1n, 2_000_000_000_123_456_789n][index] ?? 0n,
    }))
    await holdfs.applyAttributes([{ directory: source, entries: names }])
    chmodSync(workspace.path('closed/inside'), 0o000)
    chmodSync(workspace.path('closed'), 0o000)
    await workspace.assertRestores((await workspace.commitNew()).root)
  })

  test('is the same to a plain user, who may not read what was closed to him', async () => {
    await using workspace = await CommittedWorkspace.open()
    const ground = join(workspace.home, 'nobody')
    const at = (name: string) => join(ground, name)
    const source = at('source')
    mkdirSync(source, { recursive: true })
    {
      await using index = await SqliteGenerationIndex.open({ path: at('index') })
      await index.createWorkspace({ id: 'ws', org: ORG })
    }
    await makeRandomTree(workspace.holdfs, source, { seed: 11, names: 30, isRoot: false })
    mkdirSync(join(source, 'closed/inside'), { recursive: true })
    writeFileSync(join(source, 'closed/inside/file'), 'x')
    execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, ground])
    for (const [name, mode] of [
      ['closed/inside', 0o500],
      ['closed', 0o500],
      ['', 0o500],
    ] as const)
      chmodSync(join(source, name), mode)
    chmodSync(workspace.home, 0o755)
    const places = {
      source,
      store: at('store'),
      index: at('index'),
      workspace: 'ws',
      restoreTo: at('restored'),
    }
    assert.equal((await commitInProcess(places, { uid: NOBODY, gid: NOBODY })).kind, 'committed')
    await assertSameTree(workspace.holdfs, at('restored'), source)
  })

  test('of an older generation is what the directory was then', async () => {
    await using workspace = await CommittedWorkspace.open()
    const roots: string[] = []
    for (let round = 0; round < 4; round++) {
      writeFileSync(workspace.path('file'), `round ${round}`)
      writeFileSync(workspace.path(`only ${round}`), 'x')
      roots.push((await workspace.commitNew()).root)
    }
    for (const [round, root] of roots.entries()) {
      const restored = await workspace.restore(root)
      assert.equal(readdirSync(restored).length, round + 2)
      execFileSync('grep', ['-q', `round ${round}`, join(restored, 'file')])
    }
  })

  test('is refused by name, whichever bit of its pack was flipped', async () => {
    const store = new MemoryObjectStore(systemClock)
    await using workspace = await CommittedWorkspace.open({ store })
    await makeRandomTree(workspace.holdfs, workspace.source, { seed: 5, names: 12 })
    writeFileSync(workspace.path('dense'), noise(7, 300_000))
    const { root } = await workspace.commitNew()
    const key = await onlyKey(store)
    const sound = Buffer.from(await store.get(key))
    for (let round = 0; round < 12; round++) {
      const damaged = new MemoryObjectStore(systemClock)
      const bytes = Buffer.from(sound)
      const at = Math.floor((bytes.length * (round + 0.37)) / 12)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (round % 8))
      await damaged.put(key, [bytes])
      await assert.rejects(workspace.restore(root, damaged), (error) =>
        isFailure(error, 'object-corrupt', 'chunk-corrupt', 'foreign-format', 'version-unknown', 'wrong-key'),
      )
    }
  })

  test('whose pack is gone is refused by name', async () => {
    const store = new MemoryObjectStore(systemClock)
    await using workspace = await CommittedWorkspace.open({ store })
    writeFileSync(workspace.path('a'), 'a')
    const { root } = await workspace.commitNew()
    const chunks = await workspace.chunks()
    await store.delete(await onlyKey(store))
    await assert.rejects(chunks.read(Buffer.from(root, 'hex').toString('latin1')), (error) => {
      return isFailure(error, 'object-missing')
    })
  })
})

describe('a tree that no commit wrote', () => {
  const ATTRIBUTES: Attributes = { mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] }

  /** Stores chunks under a generation of the workspace, as a hostile writer of the store could, and restores the root. */
  async function restoreForged(entries: readonly Entry[], chunks: readonly Uint8Array[]): Promise<string> {
    await using workspace = await CommittedWorkspace.open()
    const directory = encodeDirectory(entries.map(encodeEntry))
    const root = encodeRoot({
      kind: 'directory',
      name: '',
      attributes: { ...ATTRIBUTES, mode: 0o755 },
      node: directory.id,
    })
    const nodes: readonly EncodedNode[] = [...directory.nodes, root]
    for (const [index, bytes] of [...nodes.map((node) => node.bytes), ...chunks].entries())
      writeFileSync(workspace.path(`chunk ${index}`), bytes)
    await workspace.commitNew()
    return await workspace.restore(chunkIdToHex(root.id))
  }

  test('with a part that is longer or shorter than its chunk is refused', async () => {
    const chunk = Buffer.from('five!')
    for (const bytes of [4, 6]) {
      const content = [{ kind: 'chunk', bytes, id: chunkIdOf(chunk) }] as const
      for (const parts of [content, [...content, ...content]]) {
        const entry: Entry = { kind: 'file', name: 'a', attributes: ATTRIBUTES, link: 0, content: parts }
        await assert.rejects(restoreForged([entry], [chunk]), refused)
      }
    }
  })

  test('with a name that steps out, or one name twice, is refused before anything is written', async () => {
    const file = (name: string): Entry => {
      return { kind: 'file', name, attributes: ATTRIBUTES, link: 0, content: [] }
    }
    for (const names of [['../escape'], ['..'], ['a', 'a'], ['b', 'a']])
      await assert.rejects(restoreForged(names.map(file), []), refused)
  })

  test('with a link in the place of a directory writes nothing through it', async () => {
    await using elsewhere = await CommittedWorkspace.open()
    const entries: Entry[] = [
      { kind: 'symlink', name: 'a', attributes: ATTRIBUTES, target: elsewhere.source },
      { kind: 'file', name: 'b', attributes: ATTRIBUTES, link: 0, content: [] },
    ]
    const restored = await restoreForged(entries, []).catch((error: unknown) => String(error))
    assert.equal(typeof restored, 'string')
    assert.deepEqual(readdirSync(elsewhere.source), [])
  })

  test('of a database whose pages are not those of its checksum is refused', async () => {
    const page = Buffer.alloc(512, 3)
    const base = [{ kind: 'chunk', bytes: 512, id: chunkIdOf(page) }] as const
    const checksum = '0123456789abcdef'
    const entry: Entry = {
      kind: 'database',
      name: 'a.db',
      attributes: ATTRIBUTES,
      pageBytes: 512,
      pageCount: 1,
      checksum,
      base,
      deltas: [],
    }
    const isNamed = (error: unknown) =>
      isFailure(error, 'database-corrupt', 'object-corrupt', 'foreign-format')
    await assert.rejects(restoreForged([entry], [page]), isNamed)
    await assert.rejects(
      restoreForged([{ ...entry, deltas: [{ level: 0, content: base }] }], [page]),
      isNamed,
    )
    await assert.rejects(restoreForged([{ ...entry, pageCount: 1 << 26 }], [page]), isNamed)
  })
})
