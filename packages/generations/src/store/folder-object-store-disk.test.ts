import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import type { FailureCode } from '@holdfast/protocol/failures'
import { seededRandomness } from '@holdfast/testkit/seeded-numbers'
import { openFolderObjectStore } from './folder-object-store.ts'

const run = promisify(execFile)
const deps = { clock: systemClock, randomness: systemRandomness }
const is = (code: FailureCode) => (error: unknown) => isFailure(error, code)
const bytes = (seed: number, count: number) => Buffer.from(seededRandomness(seed).bytes(count))

/** Mounts something on a new folder until the test ends. */
async function mounted(t: TestContext, ...options: readonly string[]): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-disk-'))
  const path = join(home, 'mount')
  t.after(async () => {
    await run('umount', ['--lazy', path]).catch(() => {})
    rmSync(home, { recursive: true, force: true })
  })
  mkdirSync(path)
  await run('mount', [...options, path])
  return path
}

test('a put into a full filesystem is store-full, harms no object and leaves nothing behind', async (t) => {
  const path = await mounted(t, '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs')
  await using store = await openFolderObjectStore(path, deps)
  const stored: number[] = []
  await assert.rejects(async () => {
    for (let index = 0; index < 100; index += 1) {
      await store.put(`org/${index}`, [bytes(index, 30_000), bytes(index + 1, 30_000)])
      stored.push(index)
    }
  }, is('store-full'))
  assert.ok(stored.length > 10)
  assert.deepEqual(readdirSync(join(path, 'tmp')), [])
  for (const index of stored) {
    const whole = Buffer.concat([bytes(index, 30_000), bytes(index + 1, 30_000)])
    assert.ok(whole.equals(await store.get(`org/${index}`)))
  }
  await assert.rejects(store.put('org/large', [Buffer.alloc(2 * 1024 * 1024)]), is('store-full'))
  assert.equal(await store.head('org/large'), undefined)
  await store.delete('org/0')
  await store.put('org/again', [bytes(1, 30_000)])
})

test('a filesystem without room for one more file is store-full', async (t) => {
  const path = await mounted(t, '-t', 'tmpfs', '-o', 'size=1m,nr_inodes=8', 'tmpfs')
  await using store = await openFolderObjectStore(path, deps)
  await assert.rejects(async () => {
    for (let index = 0; index < 8; index += 1) await store.put(`k${index}`, [])
  }, is('store-full'))
})

test('a store on a read-only filesystem opens, reads and lists, and refuses to change', async (t) => {
  const path = await mounted(t, '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs')
  const writable = await openFolderObjectStore(path, deps)
  await writable.put('org/a', [bytes(1, 100)])
  await run('mount', ['-o', 'remount,ro', path])
  for (const store of [writable, await openFolderObjectStore(path, deps)]) {
    assert.ok(bytes(1, 100).equals(await store.get('org/a')))
    for await (const object of store.list('')) assert.equal(object.key, 'org/a')
    await assert.rejects(store.put('org/b', [bytes(2, 100)]), is('store-read-only'))
    await assert.rejects(store.put('new/b', [bytes(2, 100)]), is('store-read-only'))
    await assert.rejects(store.delete('org/a'), is('store-read-only'))
  }
  await assert.rejects(openFolderObjectStore(join(path, 'other'), deps), is('store-read-only'))
})

test('what a put acknowledged survives power loss at once, and so does the store itself', async (t) => {
  const image = join(mkdtempSync(join(tmpdir(), 'holdfast-image-')), 'image')
  t.after(() => rmSync(join(image, '..'), { recursive: true, force: true }))
  writeFileSync(image, '')
  await truncate(image, 32 * 1024 * 1024)
  await run('mkfs.ext4', ['-q', '-F', image])
  const path = await mounted(t, '-o', 'loop', image)
  const root = join(path, 'new', 'store')
  const keys = ['a', 'org/ws/1/a', 'org/ws/1/b', 'org/ws/1/b', 'org/ws/2/a', 'org/ws/2/large']
  const bodyOf = (key: string) => bytes(key.length, key.endsWith('large') ? 1_500_000 : 5_000)
  for (const [index, key] of keys.entries()) {
    await using store = await openFolderObjectStore(root, deps)
    await store.put(key, [bodyOf(key)])
    writeFileSync(join(root, 'unsynced'), bytes(9, 5_000))
    await losePower(path)
    await run('umount', [path])
    await run('mount', ['-o', 'loop', image, path])
    await using again = await openFolderObjectStore(root, deps)
    for (const each of keys.slice(0, index + 1)) assert.ok(bodyOf(each).equals(await again.get(each)), each)
    assert.ok(!readdirSync(root).includes('unsynced'), 'nothing else was written before the power was lost')
  }
})

/** EXT4_IOC_SHUTDOWN with NOLOGFLUSH: the filesystem stops as it is on the disk, without its open transaction. */
async function losePower(path: string): Promise<void> {
  const script =
    'open(my $f, "<", $ARGV[0]) or die; my $how = pack("L", 2); ioctl($f, 0x8004587d, $how) or die "ioctl: $!"'
  await run('perl', ['-e', script, path])
}
