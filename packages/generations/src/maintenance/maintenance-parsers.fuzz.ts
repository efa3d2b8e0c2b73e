import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Failure } from '@holdfast/base/failure'
import fc from 'fast-check'
import { chunkIdOf } from '../format/chunk-id.ts'
import { PackBuilder } from '../format/pack-builder.ts'
import { decodeManifest } from './bundle-manifest.ts'
import { decodeRecordList, encodeRecordList } from './record-list.ts'
import { readMembers, TarWriter } from './tar-file.ts'
import { verifyPack } from './verify-pack.ts'

const RUNS = process.env.HOLDFAST_LONG ? 20_000 : 1_500

/** Runs a parser on random bytes and on valid ones with some bytes changed: it answers, or throws a Failure. */
function survives(valid: Uint8Array, parse: (bytes: Uint8Array) => unknown): void {
  const change = fc.record({ at: fc.nat(Math.max(0, valid.length - 1)), byte: fc.nat(255) })
  const mutated = fc.array(change, { minLength: 1, maxLength: 8 }).map((changes) => {
    const bytes = Buffer.from(valid)
    for (const { at, byte } of changes) bytes[at] = byte
    return bytes
  })
  const cut = fc.nat(valid.length).map((length) => valid.subarray(0, length))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 2000 }), mutated, cut), (bytes) => {
      try {
        parse(bytes)
      } catch (error) {
        assert.ok(error instanceof Failure, String(error))
      }
    }),
    { numRuns: RUNS },
  )
}

test('a list of records of any bytes is a list, none, or a failure', () => {
  survives(encodeRecordList(['a'.repeat(64), 'b'.repeat(64)]), decodeRecordList)
  assert.deepEqual(decodeRecordList(encodeRecordList(['c'.repeat(64)]))?.ids, ['c'.repeat(64)])
})

test('a manifest of any bytes is a manifest or a failure', () => {
  const pack = { name: 'a/b/0/c', bytes: 5, sha256: 'd'.repeat(64), member: 'packs/c', holds: 'trees' }
  const manifest = { format: 1, kind: 'holdfast-bundle', generations: ['a'.repeat(64)], packs: [pack] }
  survives(Buffer.from(JSON.stringify(manifest)), decodeManifest)
})

test('a tar file of any bytes is members or a failure', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tar-'))
  const path = join(folder, 'file')
  try {
    const fd = openSync(path, 'w')
    const tar = new TarWriter(fd)
    tar.add('a', [Buffer.from('some bytes')])
    tar.add('packs/b', [Buffer.alloc(700, 1), Buffer.alloc(3)])
    tar.end()
    closeSync(fd)
    survives(readFileSync(path), (bytes) => {
      writeFileSync(path, bytes)
      const reading = openSync(path, 'r')
      try {
        return readMembers(reading)
      } finally {
        closeSync(reading)
      }
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a pack of any bytes is verified to the end, and found damaged unless it is what was written', () => {
  const packs: { row: { name: string; bytes: number; sha256: string }; bytes: Buffer }[] = []
  const builder = new PackBuilder({
    coding: { seal: null },
    nextName: () => `org-a/ws-1/1/${'e'.repeat(32)}`,
    onPack: ({ name, bytes, sha256, parts }) =>
      packs.push({ row: { name, bytes, sha256 }, bytes: Buffer.concat(parts) }),
  })
  for (let made = 0; made < 30; made++) {
    const bytes = Buffer.from(`chunk ${made} `.repeat(made + 1))
    builder.add(chunkIdOf(bytes), bytes, made % 2 === 0 ? 'text' : 'dense')
  }
  builder.finish()
  const [pack] = packs
  assert.ok(pack)
  survives(pack.bytes, (bytes) => {
    const { problem } = verifyPack({ seal: null }, pack.row, bytes)
    assert.equal(problem === undefined, pack.bytes.equals(bytes))
  })
})
