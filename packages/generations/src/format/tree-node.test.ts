import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { directories } from '@holdfast/testkit/entry-arbitraries'
import fc from 'fast-check'
import { chunkIdOf } from './chunk-id.ts'
import type { Attributes, Entry } from './entry.ts'
import {
  decodeNode,
  decodeRoot,
  type EncodedDirectory,
  encodeDirectory,
  encodeEntry,
  encodeRoot,
  LEAF_ENTRIES_MAX,
} from './tree-node.ts'

const ATTRIBUTES: Attributes = { mode: 0o755, uid: 1, gid: 2, mtimeNs: 3n, xattrs: [] }
const NODE = '\x07'.repeat(32)

const refused = (error: unknown) => isFailure(error, 'object-corrupt')
const fileNamed = (name: string): Entry => {
  return { kind: 'file', name, attributes: ATTRIBUTES, link: 0, content: [] }
}

function encodeAll(entries: readonly Entry[]): EncodedDirectory {
  return encodeDirectory(entries.map(encodeEntry))
}

/** All entries of an encoded directory, found from its id as a reader would. */
function decodeAll(directory: EncodedDirectory): Entry[] {
  const nodes = new Map(directory.nodes.map((node) => [node.id, node.bytes]))
  const decode = (id: string): Entry[] => {
    const node = decodeNode(nodes.get(id) ?? new Uint8Array())
    return node.kind === 'leaf' ? [...node.entries] : node.leaves.flatMap(decode)
  }
  return decode(directory.id)
}

function manyNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `file-${String(index).padStart(6, '0')}.txt`)
}

describe('a directory node', () => {
  test('holds the entries that were put in, and is called by the hash of its bytes', () => {
    fc.assert(
      fc.property(directories(20), (entries) => {
        const directory = encodeAll(entries)
        for (const node of directory.nodes) assert.equal(node.id, chunkIdOf(node.bytes))
        assert.deepEqual(decodeAll(directory), entries)
      }),
    )
  })

  test('of up to 512 entries is one leaf, of one more a branch over leaves', () => {
    const names = manyNames(LEAF_ENTRIES_MAX + 1)
    assert.equal(encodeAll(names.slice(1).map(fileNamed)).nodes.length, 1)
    const larger = encodeAll(names.map(fileNamed))
    assert.ok(larger.nodes.length > 2)
    assert.deepEqual(
      decodeAll(larger).map(({ name }) => name),
      names,
    )
  })

  test('that gains, loses or changes one entry of thousands rewrites one leaf or two, and the branch', () => {
    const names = manyNames(5000)
    const before = new Set(encodeAll(names.map(fileNamed)).nodes.map(({ id }) => id))
    assert.ok(before.size > 12)
    const fresh = (entries: readonly Entry[]) =>
      encodeAll(entries).nodes.filter(({ id }) => !before.has(id)).length
    const added = [...names, 'file-002500a.txt', 'file-000000a'].sort().map(fileNamed)
    assert.ok(fresh(added) <= 5, 'two added')
    assert.ok(fresh(names.filter((name) => name !== 'file-002500.txt').map(fileNamed)) <= 3, 'one removed')
    const changed = names.map((name): Entry => {
      const link = name === 'file-002500.txt' ? 1 : 0
      return { kind: 'file', name, attributes: ATTRIBUTES, link, content: [] }
    })
    assert.equal(fresh(changed), 2, 'one changed')
  })

  test('that names what is no file name is refused: nothing may step out of its directory at restore', () => {
    for (const name of ['', '.', '..', 'a/b', '/', '../x', 'a\0b', 'x'.repeat(256)]) {
      const leaf = encodeAll([fileNamed(name)])
      assert.throws(() => decodeAll(leaf), refused, JSON.stringify(name))
    }
    assert.equal(decodeAll(encodeAll([fileNamed('x'.repeat(255))])).length, 1)
  })

  test('whose names are not in order, or appear twice, is refused', () => {
    assert.throws(() => decodeAll(encodeAll([fileNamed('b'), fileNamed('a')])), refused)
    assert.throws(() => decodeAll(encodeAll([fileNamed('a'), fileNamed('a')])), refused)
  })

  test('of another version or form is refused', () => {
    const { bytes } = encodeAll([fileNamed('a')]).nodes[0] ?? { bytes: new Uint8Array() }
    const changed = (at: number, value: number) => Uint8Array.from(bytes).fill(value, at, at + 1)
    assert.throws(
      () => decodeNode(changed(0, 2)),
      (error) => isFailure(error, 'version-unknown'),
    )
    assert.throws(() => decodeNode(changed(1, 9)), refused)
    assert.throws(() => decodeNode(Buffer.concat([bytes, Buffer.of(0)])), refused)
  })
})

describe('a root node', () => {
  test('holds the attributes of the committed directory and the node of its entries', () => {
    const root = encodeRoot({ kind: 'directory', name: '', attributes: ATTRIBUTES, node: NODE })
    assert.equal(root.id, chunkIdOf(root.bytes))
    assert.deepEqual(decodeRoot(root.bytes), {
      kind: 'directory',
      name: '',
      attributes: ATTRIBUTES,
      node: NODE,
    })
  })

  test('is no directory node, nor the other way round, nor has a name', () => {
    const root = encodeRoot({ kind: 'directory', name: '', attributes: ATTRIBUTES, node: NODE })
    assert.throws(() => decodeNode(root.bytes), refused)
    const leaf = encodeAll([])
    assert.throws(() => decodeRoot(leaf.nodes[0]?.bytes ?? new Uint8Array()), refused)
    const named = encodeRoot({ kind: 'directory', name: 'x', attributes: ATTRIBUTES, node: NODE })
    assert.throws(() => decodeRoot(named.bytes), refused)
  })
})
