import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import { type ChunkId, chunkIdOf } from '../format/chunk-id.ts'
import { ChunkIndex } from '../format/chunk-index.ts'
import { ChunkTable } from '../format/chunk-table.ts'
import { newPackName, packKey } from '../format/names.ts'
import { type BuiltPack, PackBuilder } from '../format/pack-builder.ts'
import type { HeldLease } from '../index/generation-index.ts'
import { MemoryGenerationIndex } from '../index/memory-generation-index.ts'
import { mergeTables } from '../maintenance/merge-tables.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { encodeIndexObject } from './index-object.ts'
import { loadCurrentChunks, readableChunks, reliableChunks } from './load-chunk-index.ts'

const coding = { seal: null }
const WHERE = { org: 'org-a', workspace: 'ws-1' }

/** A store and an index with packs of named chunks. */
class Packs {
  readonly store = new MemoryObjectStore(systemClock)
  readonly index = new MemoryGenerationIndex()
  readonly deps = { store: this.store, index: this.index, coding }
  lease: HeldLease = { ...WHERE, epoch: 0 }
  #parent: { readonly id: string; readonly sequence: number } | null = null

  static async make(): Promise<Packs> {
    const packs = new Packs()
    await packs.index.createWorkspace({ id: WHERE.workspace, org: WHERE.org })
    packs.lease = await packs.index.acquire(WHERE.workspace)
    return packs
  }

  async storePack(chunks: readonly string[]): Promise<BuiltPack> {
    const built: BuiltPack[] = []
    const builder = new PackBuilder({
      coding,
      nextName: () => newPackName(this.lease, systemRandomness),
      onPack: (pack) => built.push(pack),
    })
    for (const chunk of chunks) builder.add(idOf(chunk), Buffer.from(chunk), 'text')
    builder.finish(Buffer.from('no record'))
    const [pack] = built
    assert.ok(pack)
    await this.store.put(packKey(pack.name), pack.parts)
    return pack
  }

  async commit(chunks: readonly string[]): Promise<BuiltPack> {
    const pack = await this.storePack(chunks)
    const { name, bytes, sha256 } = pack
    const sequence: number = (this.#parent?.sequence ?? 0) + 1
    const told = {
      cause: 'periodic',
      message: '',
      createdAt: 0,
      files: 0,
      bytes: 0,
      consistency: 'cut',
    } as const
    await this.index.append(this.lease, {
      ...{ ...told, id: name, parent: this.#parent?.id ?? null, sequence, recordPack: name, root: 'root' },
      ...{ newPacks: [{ name, bytes, sha256 }], usedPacks: [], gcSeen: await this.index.gcClock(WHERE.org) },
    })
    this.#parent = { id: name, sequence }
    return pack
  }

  /** Puts an index object over packs in force, in the place of all there is. */
  async merge(packs: readonly BuiltPack[], newPacks: readonly BuiltPack[] = []): Promise<string> {
    const key = `index/org-a/ws-1/${packs.length}${newPacks.length}`
    const tables = packs.map((pack) => new ChunkTable(pack.table))
    const table = mergeTables(tables, { gone: new Set(), doomed: new Set() })
    await this.store.put(key, [encodeIndexObject(coding, key, table)])
    const { baseObjects, deltaPacks } = await this.index.chunkIndex(WHERE.workspace)
    await this.index.replaceIndex(this.lease, {
      replaces: baseObjects,
      baseObjects: [key],
      newPacks: newPacks.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
      covered: deltaPacks.map((pack) => pack.name),
      gcSeen: await this.index.gcClock(WHERE.org),
    })
    return key
  }
}

function idOf(chunk: string): ChunkId {
  return chunkIdOf(Buffer.from(chunk))
}

function packOf(index: ChunkIndex, chunk: string): string | undefined {
  const found = index.find(idOf(chunk))
  return found && ChunkIndex.packName(found)
}

test('a chunk in several packs is found in the newest', async () => {
  const packs = await Packs.make()
  await packs.commit(['a', 'b'])
  const second = await packs.commit(['a', 'c'])
  const index = readableChunks(await loadCurrentChunks(packs.deps, WHERE))
  assert.equal(packOf(index, 'a'), second.name)
})

test('readers find a chunk in a condemned pack only where no other holds it, writers never', async () => {
  const packs = await Packs.make()
  const first = await packs.commit(['a', 'b'])
  const second = await packs.commit(['a', 'c'])
  await packs.index.condemnPacks(WHERE.org, [second.name], 1)
  const current = await loadCurrentChunks(packs.deps, WHERE)
  assert.deepEqual(
    ['a', 'b', 'c'].map((chunk) => packOf(readableChunks(current), chunk)),
    [...[first.name, first.name, second.name]],
  )
  assert.deepEqual(
    ['a', 'b', 'c'].map((chunk) => packOf(reliableChunks(current), chunk)),
    [...[first.name, first.name, undefined]],
  )
})

test('a deleted pack that a merged table still names is used by nobody', async () => {
  const packs = await Packs.make()
  const first = await packs.commit(['a', 'b'])
  const second = await packs.commit(['b', 'c'])
  await packs.merge([first, second])
  await packs.index.condemnPacks(WHERE.org, [second.name], 1)
  await packs.index.forgetPacks(WHERE.org, [second.name])
  const current = await loadCurrentChunks(packs.deps, WHERE)
  assert.deepEqual([...current.gone], [second.name])
  for (const index of [readableChunks(current), reliableChunks(current)])
    assert.deepEqual(
      ['b', 'c'].map((chunk) => packOf(index, chunk)),
      [undefined, undefined],
    )
})

test('a condemned pack whose object is gone already hinders nobody', async () => {
  const packs = await Packs.make()
  const first = await packs.commit(['a'])
  const second = await packs.commit(['b'])
  await packs.index.condemnPacks(WHERE.org, [second.name], 1)
  await packs.store.delete(packKey(second.name))
  const index = readableChunks(await loadCurrentChunks(packs.deps, WHERE))
  assert.deepEqual([packOf(index, 'a'), packOf(index, 'b')], [first.name, undefined])
})

test('a live pack that is missing or damaged is a failure, or told of where that is asked for', async () => {
  const packs = await Packs.make()
  const first = await packs.commit(['a'])
  const second = await packs.commit(['b'])
  await packs.store.delete(packKey(second.name))
  await assert.rejects(loadCurrentChunks(packs.deps, WHERE), (error) => isFailure(error, 'object-missing'))
  await packs.store.put(packKey(second.name), [Buffer.alloc(second.bytes)])
  await assert.rejects(loadCurrentChunks(packs.deps, WHERE), (error) => isFailure(error, 'foreign-format'))
  const unreadable: string[] = []
  const current = await loadCurrentChunks(packs.deps, WHERE, {
    onUnreadable: (name) => unreadable.push(name),
  })
  assert.deepEqual(unreadable, [second.name])
  assert.equal(packOf(readableChunks(current), 'a'), first.name)
})

test('an index that moves on while it is read is read again', async () => {
  const packs = await Packs.make()
  const first = await packs.commit(['a'])
  const old = await packs.merge([first])
  const newer = await packs.storePack(['a', 'b'])
  let moved = false
  const get = async (key: string, range?: { offset: number; length: number }) => {
    if (key === old && !moved) {
      moved = true
      await packs.merge([first, newer], [newer])
      await packs.store.delete(old)
    }
    return packs.store.get(key, range)
  }
  const store = new Proxy(packs.store, {
    get: (target, name) => {
      if (name === 'get') return get
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const index = readableChunks(await loadCurrentChunks({ ...packs.deps, store }, WHERE))
  assert.equal(packOf(index, 'b'), newer.name)
})

test('tables that are known are not read again', async () => {
  const packs = await Packs.make()
  await packs.commit(['a'])
  const before = await loadCurrentChunks(packs.deps, WHERE)
  const second = await packs.commit(['b'])
  for await (const { key } of packs.store.list('packs/'))
    if (key !== packKey(second.name)) await packs.store.delete(key)
  const after = await loadCurrentChunks(packs.deps, WHERE, { known: before.tables })
  assert.equal(after.tables.size, 2)
})

test('a merged table holds each chunk once, in a pack that stays rather than in one that leaves', async () => {
  const packs = await Packs.make()
  const [first, second, third] = [
    await packs.commit(['a', 'b']),
    await packs.commit(['a', 'c']),
    await packs.commit(['a', 'd']),
  ]
  const tables = [first, second, third].map((pack) => new ChunkTable(pack.table))
  const leaving = { gone: new Set([third.name]), doomed: new Set([second.name]) }
  const merged = new ChunkTable(mergeTables(tables, leaving))
  assert.equal(merged.chunkCount, 3)
  const index = new ChunkIndex([merged])
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((chunk) => packOf(index, chunk)),
    [...[first.name, first.name, second.name, undefined]],
  )
  const row = merged.packs.find(({ name }) => name === first.name)
  assert.deepEqual(row, { name: first.name, bytes: first.bytes, sha256: first.sha256 })
})
