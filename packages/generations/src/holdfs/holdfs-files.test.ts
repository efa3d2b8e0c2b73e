import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Failure, isFailure } from '@holdfast/base/failure'
import { BTRFS_IMAGE_BYTES_MIN, withBtrfsImage } from '@holdfast/testkit/btrfs-image'
import { fromText, toFsPath } from '../format/byte-string.ts'
import { Holdfs } from './holdfs.ts'

const TERABYTE = 1024 ** 4
const BUILD = fileURLToPath(new URL('../../native/build.sh', import.meta.url))

const failsWith = (code: Failure['code'], errno: string, step: string) => (error: unknown) => {
  assert.ok(isFailure(error, code), String(error))
  assert.equal(error.details.errno, errno)
  assert.equal(error.details.step, step)
  return true
}

describe('holdfs on files', () => {
  let holdfs: Holdfs
  let home: string

  before(async () => {
    execFileSync('sh', [BUILD])
    home = mkdtempSync(join(tmpdir(), 'holdfs-files-'))
    holdfs = await Holdfs.start()
  })

  after(async () => {
    await holdfs[Symbol.asyncDispose]()
    rmSync(home, { recursive: true, force: true })
  })

  test('syncfs of a directory resolves; of a missing path it names errno, step and path', async () => {
    await holdfs.syncfs(home)
    await assert.rejects(holdfs.syncfs(`${home}/none`), failsWith('not-found', 'ENOENT', 'open'))
    writeFileSync(join(home, 'plain'), '')
    await assert.rejects(holdfs.syncfs(`${home}/plain`), failsWith('source-failed', 'ENOTDIR', 'open'))
    await assert.rejects(holdfs.syncfs('relative'), (error) => isFailure(error, 'invalid-argument'))
  })

  test('binary attribute values come back byte for byte, in one batch with names that fail', async () => {
    const directory = join(home, 'xattrs')
    mkdirSync(directory)
    writeFileSync(join(directory, 'with'), '')
    writeFileSync(join(directory, 'without'), '')
    symlinkSync('with', join(directory, 'link'))
    const value = String.fromCharCode(...Array.from({ length: 256 }, (_, index) => index))
    const xattrs = [
      { name: 'user.all bytes', value },
      { name: 'user.empty', value: '' },
      { name: 'user.n\xff', value: '\xfe' },
    ]
    const failures = await holdfs.applyAttributes([{ directory, entries: [{ name: 'with', xattrs }] }])
    assert.deepEqual(failures, [])
    const found = await holdfs.readXattrs(directory, ['with', 'without', 'link', 'gone', '../with', '.'])
    const first = found[0]
    assert.ok(first && 'xattrs' in first)
    assert.deepEqual(
      first.xattrs.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      xattrs,
    )
    assert.deepEqual(found.slice(1), [
      { xattrs: [] },
      { xattrs: [] },
      { errno: 'ENOENT' },
      { errno: 'EINVAL' },
      { xattrs: [] },
    ])
  })

  test('names of 255 bytes that are not UTF-8 are reached byte for byte', async () => {
    const name = `\xff\xfe${'\x80'.repeat(253)}`
    mkdirSync(toFsPath(`${home}/d\xe9`))
    writeFileSync(toFsPath(`${home}/d\xe9/${name}`), '')
    const xattrs = [{ name: 'user.a', value: '1' }]
    const batch = { directory: `${home}/d\xe9`, entries: [{ name, mode: 0o640, xattrs }] }
    assert.deepEqual(await holdfs.applyAttributes([batch]), [])
    assert.equal(lstatSync(toFsPath(`${home}/d\xe9/${name}`)).mode & 0o7777, 0o640)
    assert.deepEqual(await holdfs.readXattrs(batch.directory, [name]), [{ xattrs }])
    const longer = await holdfs.readXattrs(batch.directory, [`${name}x`])
    assert.deepEqual(longer, [{ errno: 'ENAMETOOLONG' }])
  })

  test('an mtime is exact to the nanosecond, before 1970 too, and leaves atime alone', async () => {
    const directory = join(home, 'times')
    mkdirSync(directory)
    const times = { a: 1_234_567_890_123_456_789n, b: -1n, c: 0n, d: -1_500_000_001n }
    for (const name of Object.keys(times)) writeFileSync(join(directory, name), '')
    const atimes = Object.keys(times).map(
      (name) => lstatSync(join(directory, name), { bigint: true }).atimeNs,
    )
    const entries = Object.entries(times).map(([name, mtimeNs]) => ({ name, mtimeNs }))
    assert.deepEqual(
      await holdfs.applyAttributes([{ directory, entries: [...entries, { name: '.', mtimeNs: 7n }] }]),
      [],
    )
    for (const [index, [name, mtimeNs]] of Object.entries(times).entries()) {
      const stats = lstatSync(join(directory, name), { bigint: true })
      assert.equal(stats.mtimeNs, mtimeNs)
      assert.equal(stats.atimeNs, atimes[index])
    }
    assert.equal(lstatSync(directory, { bigint: true }).mtimeNs, 7n)
  })

  test('owner and mtime of a symlink are its own; a mode for it is refused and never reaches its target', async () => {
    const directory = join(home, 'links')
    mkdirSync(directory)
    writeFileSync(join(directory, 'target'), '')
    chmodSync(join(directory, 'target'), 0o600)
    symlinkSync('target', join(directory, 'link'))
    const before = lstatSync(join(directory, 'target'), { bigint: true })
    const entry = { name: 'link', owner: { uid: 1234, gid: 4321 }, mtimeNs: 42n, mode: 0o777 }
    assert.deepEqual(await holdfs.applyAttributes([{ directory, entries: [entry] }]), [
      { directory, name: 'link', errno: 'EOPNOTSUPP', step: 'chmod' },
    ])
    const link = lstatSync(join(directory, 'link'), { bigint: true })
    assert.deepEqual([link.uid, link.gid, link.mtimeNs], [1234n, 4321n, 42n])
    const target = lstatSync(join(directory, 'target'), { bigint: true })
    assert.deepEqual([target.mode, target.uid, target.mtimeNs], [before.mode, before.uid, before.mtimeNs])
  })

  test('set-id bits survive the change of owner', async () => {
    const directory = join(home, 'setid')
    mkdirSync(directory)
    writeFileSync(join(directory, 'program'), '')
    const entry = { name: 'program', owner: { uid: 1000, gid: 1000 }, mode: 0o6755 }
    assert.deepEqual(await holdfs.applyAttributes([{ directory, entries: [entry] }]), [])
    const stats = lstatSync(join(directory, 'program'))
    assert.deepEqual([stats.mode & 0o7777, stats.uid, stats.gid], [0o6755, 1000, 1000])
  })

  test('a batch over several directories applies what it can and names what failed', async () => {
    const directory = join(home, 'batch')
    mkdirSync(directory)
    writeFileSync(join(directory, 'here'), '')
    const missing = `${home}/nowhere`
    const failures = await holdfs.applyAttributes([
      { directory: missing, entries: [{ name: 'x', mode: 0o600 }] },
      {
        directory,
        entries: [
          { name: 'gone', mode: 0o600 },
          { name: '..', mode: 0o700 },
          { name: 'here', mode: 0o604, xattrs: [{ name: 'nonsense', value: '' }] },
        ],
      },
    ])
    assert.deepEqual(failures, [
      { directory: missing, name: 'x', errno: 'ENOENT', step: 'open' },
      { directory, name: 'gone', errno: 'ENOENT', step: 'chmod' },
      { directory, name: '..', errno: 'EINVAL', step: 'entry' },
      { directory, name: 'here', errno: 'EOPNOTSUPP', step: 'setxattr' },
    ])
    assert.equal(lstatSync(join(directory, 'here')).mode & 0o7777, 0o604)
  })

  test('two directories trade places', async () => {
    for (const name of ['old', 'new']) {
      mkdirSync(join(home, name))
      writeFileSync(join(home, name, 'content'), name)
    }
    await holdfs.exchange(home, 'old', 'new')
    assert.equal(readFileSync(join(home, 'old/content'), 'utf8'), 'new')
    await assert.rejects(holdfs.exchange(home, 'old', 'none'), failsWith('not-found', 'ENOENT', 'renameat2'))
  })

  test('the ranges of a symlink, a directory and a pipe are refused without a hang', async () => {
    symlinkSync('/etc/passwd', join(home, 'to-passwd'))
    execFileSync('mkfifo', [join(home, 'fifo')])
    await assert.rejects(holdfs.dataRanges(`${home}/to-passwd`), failsWith('source-failed', 'ELOOP', 'open'))
    for (const path of [home, `${home}/fifo`])
      await assert.rejects(
        holdfs.dataRanges(path),
        failsWith('source-failed', 'EINVAL', 'not a regular file'),
      )
    writeFileSync(join(home, 'empty'), '')
    assert.deepEqual(await holdfs.dataRanges(`${home}/empty`), { sizeBytes: 0, ranges: [] })
  })

  test('a sparse file of 8 TB tells its few ranges; a reflink of it shares them', async () => {
    await withBtrfsImage(BTRFS_IMAGE_BYTES_MIN, async (mountDir) => {
      const mount = fromText(mountDir)
      const fd = openSync(join(mountDir, 'sparse'), 'w')
      const block = Buffer.alloc(4096, 1)
      for (const offset of [65_536, 3 * TERABYTE, 8 * TERABYTE - 4096]) writeSync(fd, block, 0, 4096, offset)
      ftruncateSync(fd, 8 * TERABYTE + 1)
      closeSync(fd)
      const expected = {
        sizeBytes: 8 * TERABYTE + 1,
        ranges: [
          { offset: 65_536, length: 4096 },
          { offset: 3 * TERABYTE, length: 4096 },
          { offset: 8 * TERABYTE - 4096, length: 4096 },
        ],
      }
      assert.deepEqual(await holdfs.dataRanges(`${mount}/sparse`), expected)
      await holdfs.reflink(`${mount}/sparse`, `${mount}/copy`)
      assert.deepEqual(await holdfs.dataRanges(`${mount}/copy`), expected)
      await assert.rejects(
        holdfs.reflink(`${mount}/sparse`, `${mount}/copy`),
        failsWith('already-exists', 'EEXIST', 'create'),
      )
      await assert.rejects(
        holdfs.reflink(`${home}/plain`, `${mount}/other`),
        failsWith('source-failed', 'EXDEV', 'reflink'),
      )
      assert.throws(() => lstatSync(join(mountDir, 'other')), /ENOENT/)
    })
  })
})
