import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import type { FailureCode } from '@holdfast/protocol/failures'
import { objectStoreConformance } from '@holdfast/testkit/object-store-conformance'
import { openFolderObjectStore } from './folder-object-store.ts'

const deps = { clock: systemClock, randomness: systemRandomness }
const is = (code: FailureCode) => (error: unknown) => isFailure(error, code)

async function count(objects: AsyncIterable<unknown>): Promise<number> {
  let found = 0
  for await (const _ of objects) found += 1
  return found
}

function temporaryFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-store-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

objectStoreConformance('the folder store', async (t) => openFolderObjectStore(temporaryFolder(t), deps))

test('an absent folder becomes a store, with the folders above it, and opens again with its objects', async (t) => {
  const path = join(temporaryFolder(t), 'x', 'y', 'store')
  const first = await openFolderObjectStore(path, deps)
  await first.put('a/b', [Buffer.from('bytes')])
  const second = await openFolderObjectStore(path, deps)
  assert.equal(Buffer.from(await second.get('a/b')).toString(), 'bytes')
  assert.equal(second.address, `file:${path}`)
  assert.equal(
    readFileSync(join(path, 'holdfast-store'), 'utf8'),
    '{"format":"holdfast-store","version":1}\n',
  )
})

test('a fresh filesystem with only lost+found in it becomes a store', async (t) => {
  const path = temporaryFolder(t)
  mkdirSync(join(path, 'lost+found'))
  await using store = await openFolderObjectStore(path, deps)
  await store.put('k', [])
})

test('many processes that open one empty folder at once all open the same store', async (t) => {
  const path = join(temporaryFolder(t), 'store')
  const stores = await Promise.all(Array.from({ length: 8 }, () => openFolderObjectStore(path, deps)))
  await stores[0]?.put('k', [Buffer.from('x')])
  for (const store of stores) assert.deepEqual(await store.head('k'), { bytes: 1 })
  assert.deepEqual(readdirSync(path).sort(), ['holdfast-store', 'objects', 'tmp'])
})

test('a folder with other things in it is foreign-format and stays untouched', async (t) => {
  const path = temporaryFolder(t)
  writeFileSync(join(path, 'photo.jpg'), 'x')
  await assert.rejects(openFolderObjectStore(path, deps), is('foreign-format'))
  assert.deepEqual(readdirSync(path), ['photo.jpg'])
  await assert.rejects(openFolderObjectStore(join(path, 'photo.jpg'), deps), is('foreign-format'))
})

test('a store of a newer format is version-unknown, and a marker of no format is foreign', async (t) => {
  const path = temporaryFolder(t)
  const marker = join(path, 'holdfast-store')
  writeFileSync(marker, '{"format":"holdfast-store","version":2,"more":[]}')
  await assert.rejects(openFolderObjectStore(path, deps), is('version-unknown'))
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{"format":"other","version":1}',
    '{"format":"holdfast-store"}',
  ]) {
    writeFileSync(marker, text)
    await assert.rejects(openFolderObjectStore(path, deps), is('foreign-format'), text)
  }
  for (const version of ['0', '-1', '1.5', '"1"', '1e400']) {
    writeFileSync(marker, `{"format":"holdfast-store","version":${version}}`)
    await assert.rejects(openFolderObjectStore(path, deps), is('foreign-format'), version)
  }
  writeFileSync(marker, Buffer.alloc(1024 * 1024, 0x5b))
  await assert.rejects(openFolderObjectStore(path, deps), is('foreign-format'))
  rmSync(marker)
  mkdirSync(marker)
  await assert.rejects(openFolderObjectStore(path, deps), is('foreign-format'))
})

test('unfinished objects older than a day are removed at opening, younger ones and strangers are not', async (t) => {
  const path = temporaryFolder(t)
  await openFolderObjectStore(path, deps)
  const old = [join('tmp', 'a'.repeat(32)), `holdfast-store.${'b'.repeat(32)}`]
  const kept = [join('tmp', 'c'.repeat(32)), 'notes.txt']
  for (const name of [...old, ...kept]) writeFileSync(join(path, name), 'x')
  const dayAgo = systemClock.wallMs() / 1000 - 24 * 60 * 60 - 60
  for (const name of [...old, 'notes.txt']) utimesSync(join(path, name), dayAgo, dayAgo)
  await openFolderObjectStore(path, deps)
  assert.deepEqual(readdirSync(join(path, 'tmp')), ['c'.repeat(32)])
  assert.deepEqual(readdirSync(path).sort(), ['holdfast-store', 'notes.txt', 'tmp'])
})

test('no step of a key passes through a symbolic link', async (t) => {
  const path = temporaryFolder(t)
  const outside = temporaryFolder(t)
  await using store = await openFolderObjectStore(path, deps)
  await store.put('org/a', [Buffer.from('a')])
  writeFileSync(join(outside, 'secret'), 'outside')
  symlinkSync(outside, join(path, 'objects', 'link'))
  symlinkSync(join(outside, 'secret'), join(path, 'objects', 'org', 'file'))
  symlinkSync(join(outside, 'created'), join(path, 'objects', 'org', 'dangling'))
  for (const key of ['link/secret', 'org/file', 'org/dangling']) {
    await assert.rejects(store.get(key), is('foreign-format'), key)
    await assert.rejects(store.head(key), is('foreign-format'), key)
    await assert.rejects(store.put(key, [Buffer.from('outside')]), is('foreign-format'), key)
  }
  await assert.rejects(store.delete('link/secret'), is('foreign-format'))
  await assert.rejects(count(store.list('')), is('foreign-format'))
  await assert.rejects(count(store.list('link/')), is('foreign-format'))
  assert.deepEqual(readdirSync(outside), ['secret'])
  assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'outside')
})

test('a pipe in the place of an object is foreign-format, and nothing waits for its writer', async (t) => {
  const path = temporaryFolder(t)
  await using store = await openFolderObjectStore(path, deps)
  await store.put('org/a', [])
  execFileSync('mkfifo', [join(path, 'objects', 'org', 'pipe')])
  await assert.rejects(store.get('org/pipe'), is('foreign-format'))
  assert.equal(await store.head('org/pipe'), undefined)
})

test('a key that leads through an object, or names a folder of keys, is refused', async (t) => {
  await using store = await openFolderObjectStore(temporaryFolder(t), deps)
  await store.put('a/b', [])
  await assert.rejects(store.put('a/b/c', []), is('foreign-format'))
  await assert.rejects(store.put('a', []), is('already-exists'))
})

test('a folder that somebody removed is made again by the next put', async (t) => {
  const path = temporaryFolder(t)
  await using store = await openFolderObjectStore(path, deps)
  await store.put('org/ws/1/a', [])
  rmSync(join(path, 'objects', 'org'), { recursive: true })
  await store.put('org/ws/1/b', [Buffer.from('b')])
  assert.deepEqual(await store.head('org/ws/1/b'), { bytes: 1 })
})

test('a store whose filesystem went away is store-unavailable, and no new store appears in its place', async (t) => {
  const path = join(temporaryFolder(t), 'mount')
  await using store = await openFolderObjectStore(path, deps)
  await store.put('org/a', [])
  rmSync(path, { recursive: true })
  mkdirSync(path)
  await assert.rejects(store.put('org/b', [Buffer.from('b')]), is('store-unavailable'))
  assert.deepEqual(readdirSync(path), [])
})

test('no put, successful or not, leaves an unfinished object behind', async (t) => {
  const path = temporaryFolder(t)
  await using store = await openFolderObjectStore(path, deps)
  await store.put('k', [Buffer.from('1')])
  await store.put('k', [Buffer.from('1')])
  await assert.rejects(store.put('k', [Buffer.from('2')]), is('already-exists'))
  assert.deepEqual(readdirSync(join(path, 'tmp')), [])
})
