import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import { withCrashableExt4 } from '@holdfast/testkit/ext4-image'
import { removeTree, unmountBelow } from '@holdfast/testkit/remove-tree'
import { Holdfs } from '../holdfs/holdfs.ts'
import { mountImage } from './btrfs-image.ts'
import { BtrfsVolume } from './btrfs-volume.ts'
import { mountAt, mountTable } from './mount-table.ts'

const GIBIBYTE = 1024 ** 3
const BLOCK = Buffer.alloc(8 << 20, 1)
/** Left for the metadata of the file that takes the rest. */
const MARGIN_BYTES = 128 << 20

test('the image of a home is made once, sparse and within the free space, and mounted where it is looked for', async () => {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-image-'))
  try {
    const image = await mountImage(home, systemClock)
    writeFileSync(join(image.top, 'file'), 'kept')
    assert.deepEqual(await mountImage(home, systemClock), image)
    execFileSync('umount', [image.top])
    const [first, second] = await Promise.all([mountImage(home, systemClock), mountImage(home, systemClock)])
    assert.deepEqual(first, second)
    assert.equal(mountTable().filter(({ mountPoint }) => mountPoint === image.top).length, 1)
    assert.equal(readFileSync(join(image.top, 'file'), 'utf8'), 'kept')
    assert.equal(mountAt(image.top)?.type, 'btrfs')
  } finally {
    removeTree(home)
  }
})

test('a disk with too little space for an image is refused before anything is made', async () => {
  await withCrashableExt4(GIBIBYTE, async (mount) => {
    await assert.rejects(mountImage(mount, systemClock), (error) => isFailure(error, 'volume-full'))
    assert.deepEqual(
      readdirSync(mount).filter((name) => name.startsWith('btrfs.img')),
      [],
    )
  })
})

test('a disk that fills up below the image fails captures by name, and loses no generation', async () => {
  await using holdfs = await Holdfs.start()
  const deps = { holdfs, clock: systemClock, randomness: systemRandomness }
  await withCrashableExt4(3 * GIBIBYTE, async (mount) => {
    const home = join(mount, 'home')
    mkdirSync(home)
    try {
      const request = { home, workspace: 'ws', path: join(mount, 'work'), state: join(mount, 'state') }
      await using volume = await BtrfsVolume.create(deps, request)
      writeFileSync(join(volume.path, 'file'), 'committed')
      {
        await using capture = await volume.capture(null)
        await capture.accept('g1')
      }
      assert.throws(
        () => fillUp(join(mount, 'ballast')),
        (error) => errnoOf(error) === 'ENOSPC',
      )
      for (let block = 0; block < 8; block++) appendFileSync(join(volume.path, 'more'), BLOCK)
      await assert.rejects(volume.capture(null), (error) => isFailure(error, 'source-failed', 'volume-full'))
      rmSync(join(mount, 'ballast'))
      await using capture = await volume.capture(null)
      assert.equal(readFileSync(join(capture.image.path, 'file'), 'utf8'), 'committed')
      assert.ok(await volume.snapshotOf('g1'))
      writeFileSync(join(volume.path, 'file'), 'goes on')
    } finally {
      unmountBelow(mount, '--lazy')
      await systemClock.sleep(100)
    }
  })
})

/** Throws when no byte more fits. */
function fillUp(path: string): void {
  const { bfree, bsize } = statfsSync(dirname(path))
  execFileSync('fallocate', ['-l', String(bfree * bsize - MARGIN_BYTES), path])
  for (let block = 0; block < 1000; block++) appendFileSync(path, BLOCK)
}
