import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { withBtrfsImage } from '@holdfast/testkit/btrfs-image'
import { Workbench } from '../../workbench.fixture.ts'

const IMAGE_BYTES = 256 << 20

test('init makes the directory, says what it made and what to type next', async () => {
  using bench = new Workbench()
  const text = await bench.printed('dir', 'init', bench.project)
  assert.ok(existsSync(bench.project))
  assert.match(text, /store +file:.*home\/store\n/)
  assert.ok(text.includes(`Next: hold dir commit ${bench.project}\n`))
  assert.match(await bench.printed('dir', 'history', bench.project), /No generation yet: `hold dir commit /)
  const again = await bench.hold('dir', 'init', bench.project)
  assert.equal(again.exitCode, 1)
  assert.match(again.stderr, /has a history already/)
})

test('a new key seals the store, is kept private, and is found again for the next directory', async () => {
  using bench = new Workbench()
  const key = join(bench.path, 'key')
  bench.write('secret.txt', 'a very secret line '.repeat(100))
  const made = await bench.printed('dir', 'init', bench.project, '--new-key', key)
  assert.match(made, new RegExp(`sealed +yes, with the key in ${key}`))
  assert.match(readFileSync(key, 'utf8'), /^[0-9a-f]{64}\n$/)
  assert.equal(statSync(key).mode & 0o777, 0o600)
  await bench.printed('dir', 'commit', bench.project)
  await bench.printed('dir', 'init', join(bench.path, 'second'))
  assert.match(await bench.printed('dir', 'cat', bench.project, 'secret.txt'), /^a very secret line/)
  writeFileSync(key, `${'0'.repeat(64)}\n`)
  const locked = await bench.hold('dir', 'cat', bench.project, 'secret.txt', '-o', 'json')
  assert.equal(locked.exitCode, 1)
  assert.equal(JSON.parse(locked.stderr).error.code, 'wrong-key')
})

test('a key file that exists is never overwritten, and one of a failed begin goes again', async () => {
  using bench = new Workbench()
  const key = join(bench.path, 'key')
  writeFileSync(key, 'mine')
  const refused = await bench.hold('dir', 'init', bench.project, '--new-key', key)
  assert.match(refused.stderr, /exists: --key-file .* uses it/)
  assert.equal(readFileSync(key, 'utf8'), 'mine')
  await bench.printed('dir', 'init', bench.project)
  const late = join(bench.path, 'late')
  assert.equal((await bench.hold('dir', 'init', bench.project, '--new-key', late)).exitCode, 1)
  assert.ok(!existsSync(late))
  assert.equal((await bench.hold('dir', 'init', 'x', '--new-key', 'a', '--key-file', 'b')).exitCode, 2)
})

test('a store that cannot be is refused with the shape of one that can', async () => {
  using bench = new Workbench()
  for (const store of ['memory:', 'ftp://x', 's3://'])
    assert.equal((await bench.hold('dir', 'init', bench.project, '--store', store)).exitCode, 2, store)
})

test('a home that cannot be made names the variable to set', async () => {
  using bench = new Workbench()
  writeFileSync(join(bench.path, 'file'), '')
  const environment = { HOLDFAST_HOME: join(bench.path, 'file/home') }
  const { exitCode, stderr } = await bench.holdWith({ environment }, 'dir', 'history', bench.project)
  assert.equal(exitCode, 1)
  assert.match(stderr, /set HOLDFAST_HOME to a directory of your own/)
})

test('a subvolume becomes a btrfs volume where it lies, all else stays live and hears what is possible', async () => {
  using bench = new Workbench()
  await withBtrfsImage(IMAGE_BYTES, async (top) => {
    const [subvolume, plain, asked] = [join(top, 'subvolume'), join(top, 'plain'), join(top, 'asked')]
    for (const path of [subvolume, asked]) execFileSync('btrfs', ['--quiet', 'subvolume', 'create', path])
    mkdirSync(plain)
    for (const path of [subvolume, plain]) writeFileSync(join(path, 'kept'), 'kept')
    const { ino } = statSync(join(subvolume, 'kept'))
    const native = await bench.printed('dir', 'init', subvolume)
    assert.match(native, /volume +btrfs\n/)
    assert.doesNotMatch(native, /is possible here/)
    assert.equal(statSync(join(subvolume, 'kept')).ino, ino)
    await bench.printed('dir', 'commit', subvolume)
    assert.match(await bench.printed('dir', 'init', asked, '--volume', 'live'), /volume +live\n/)
    for (const path of [plain, top, bench.project]) {
      const live = await bench.printed('dir', 'init', path)
      assert.match(live, /volume +live\n/)
      assert.match(live, /A btrfs volume is possible here.*--volume btrfs/)
    }
    assert.equal(readFileSync(join(plain, 'kept'), 'utf8'), 'kept')
  })
  assert.ok(!existsSync(join(bench.home, 'btrfs.img')))
})
