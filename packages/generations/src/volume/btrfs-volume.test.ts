import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import { withBtrfsImage } from '@holdfast/testkit/btrfs-image'
import { removeTree } from '@holdfast/testkit/remove-tree'
import { Holdfs } from '../holdfs/holdfs.ts'
import { BtrfsVolume, type BtrfsVolumeRequest } from './btrfs-volume.ts'
import { mountAt } from './mount-table.ts'
import { SNAPSHOTS_MAX } from './snapshot-log.ts'

const BUILD = fileURLToPath(new URL('../../native/build.sh', import.meta.url))
const IMAGE_BYTES = 512 * 1024 ** 2
const DAY_MS = 24 * 3_600_000
const MEBIBYTE = 1 << 20
const WAIT_MS_MAX = 10_000

describe('a btrfs volume', () => {
  let holdfs: Holdfs

  before(async () => {
    execFileSync('sh', [BUILD])
    holdfs = await Holdfs.start()
  })

  after(async () => {
    await holdfs[Symbol.asyncDispose]()
  })

  const deps = (clock = systemClock) => ({ holdfs, clock, randomness: systemRandomness })

  /** A home on the usual disk: what needs an image makes one there. */
  async function withHome(use: (request: BtrfsVolumeRequest) => Promise<void>): Promise<void> {
    const home = mkdtempSync(join(tmpdir(), 'holdfast-volume-'))
    try {
      await use({ home, workspace: 'ws', path: join(home, 'work'), state: join(home, 'state') })
    } finally {
      removeTree(home)
    }
  }

  /** A volume that lies on btrfs itself, with the directory that holds its snapshots. */
  async function withNative(
    use: (volume: BtrfsVolume, request: BtrfsVolumeRequest, snapshots: string) => Promise<void>,
    bytes = IMAGE_BYTES,
  ): Promise<void> {
    await withHome(async ({ home, state }) => {
      await withBtrfsImage(bytes, async (mount) => {
        const request = { home, workspace: 'ws', path: join(mount, 'work'), state }
        await using volume = await BtrfsVolume.create(deps(), request)
        await use(volume, request, join(mount, '.holdfast-snapshots', 'ws'))
      })
    })
  }

  async function commit(volume: BtrfsVolume, generation: string, keep = false): Promise<void> {
    await using capture = await volume.capture(null)
    await capture.accept(generation, { keep })
  }

  test('gives an image that nobody changes, and lists what came since the last accepted one', async () => {
    await withNative(async (volume) => {
      writeFileSync(join(volume.path, 'file'), 'one')
      await commit(volume, 'g1')
      writeFileSync(join(volume.path, 'file'), 'two')
      await using capture = await volume.capture(null)
      writeFileSync(join(volume.path, 'file'), 'three')
      assert.equal(readFileSync(join(capture.image.path, 'file'), 'utf8'), 'two')
      assert.equal(capture.image.consistency, 'per-database')
      const { changes } = capture.image
      assert.ok(changes.kind === 'listed')
      assert.equal(changes.since, 'g1')
      assert.deepEqual([...changes.directories], [''])
      assert.deepEqual([...changes.files.keys()], ['file'])
    })
  })

  test('deletes a capture that was not accepted, and keeps the last few and every checkpoint', async () => {
    await withNative(async (volume, _request, snapshots) => {
      await commit(volume, 'checkpoint', true)
      for (let round = 0; round < SNAPSHOTS_MAX + 3; round++) {
        writeFileSync(join(volume.path, 'file'), String(round))
        await commit(volume, `g${round}`)
        await using _unwanted = await volume.capture(null)
        assert.equal(readdirSync(snapshots).length, Math.min(round + 1, SNAPSHOTS_MAX) + 2)
      }
      assert.equal(readdirSync(snapshots).length, SNAPSHOTS_MAX + 1)
      assert.equal(await volume.snapshotOf('g2'), undefined)
      for (const [generation, content] of [
        ['g3', '3'],
        ['g10', '10'],
      ] as const) {
        const snapshot = await volume.snapshotOf(generation)
        assert.equal(readFileSync(join(snapshot?.path ?? '', 'file'), 'utf8'), content)
      }
      assert.ok(await volume.snapshotOf('checkpoint'))
    })
  })

  test('keeps no second snapshot of a generation that did not change', async () => {
    await withNative(async (volume, _request, snapshots) => {
      writeFileSync(join(volume.path, 'file'), 'one')
      await commit(volume, 'g1')
      const [first] = readdirSync(snapshots)
      await commit(volume, 'g1')
      assert.deepEqual(readdirSync(snapshots), [first])
      utimesSync(join(volume.path, 'file'), 1, 1)
      await commit(volume, 'g1')
      assert.equal(readdirSync(snapshots).length, 1)
      assert.notDeepEqual(readdirSync(snapshots), [first])
    })
  })

  test('deletes what a process that died left behind, when a day has passed', async () => {
    await withNative(async (volume, request, snapshots) => {
      const left = await volume.capture(null)
      await commit(volume, 'g1')
      assert.equal(readdirSync(snapshots).length, 2)
      const tomorrow = { ...systemClock, wallMs: () => systemClock.wallMs() + DAY_MS + 1000 }
      await using later = await BtrfsVolume.open(deps(tomorrow), request)
      writeFileSync(join(volume.path, 'file'), 'new')
      await commit(later, 'g2')
      assert.equal(readdirSync(snapshots).length, 2)
      assert.equal(statSync(left.image.path, { throwIfNoEntry: false }), undefined)
    })
  })

  test('knows nothing where its record is damaged or its last snapshot gone, and goes on', async () => {
    await withNative(async (volume, request, snapshots) => {
      await commit(volume, 'g1')
      writeFileSync(join(request.state, 'volume.json'), '{"format":1,"snapshots":[{"name":"../../etc"}]}')
      await using damaged = await BtrfsVolume.open(deps(), request)
      await using first = await damaged.capture(null)
      assert.deepEqual(first.image.changes, { kind: 'unknown' })
      await first.accept('g2')
      for (const name of readdirSync(snapshots))
        execFileSync('btrfs', ['-q', 'subvolume', 'delete', join(snapshots, name)])
      await using second = await damaged.capture(null)
      assert.deepEqual(second.image.changes, { kind: 'unknown' })
      assert.equal(await damaged.snapshotOf('g2'), undefined)
    })
  })

  test('refuses a directory that holds something, with what to do; takes a subvolume as it is', async () => {
    await withBtrfsImage(IMAGE_BYTES, async (mount) => {
      await withHome(async ({ home, state }) => {
        const request = { home, workspace: 'ws', path: join(mount, 'plain'), state }
        mkdirSync(request.path)
        writeFileSync(join(request.path, 'file'), 'mine')
        await assert.rejects(BtrfsVolume.create(deps(), request), (error) => {
          return isFailure(error, 'not-empty') && /copy what .* holds into it/.test(error.message)
        })
        const subvolume = join(mount, 'subvolume')
        execFileSync('btrfs', ['-q', 'subvolume', 'create', subvolume])
        writeFileSync(join(subvolume, 'file'), 'mine')
        await using taken = await BtrfsVolume.create(deps(), { ...request, path: subvolume })
        await using capture = await taken.capture(null)
        assert.equal(readFileSync(join(capture.image.path, 'file'), 'utf8'), 'mine')
        await assert.rejects(BtrfsVolume.create(deps(), { ...request, path: mount }), (error) =>
          isFailure(error, 'not-empty', 'unsupported-here'),
        )
      })
    })
  })

  test('lies in an image of the home where the disk is another file system, and is mounted again when it is not', async () => {
    await withHome(async (request) => {
      mkdirSync(request.path, { mode: 0o750 })
      await using volume = await BtrfsVolume.create(deps(), request)
      assert.equal(mountAt(request.path)?.root, '/ws/ws/current')
      assert.equal(statSync(request.path).mode & 0o777, 0o750)
      writeFileSync(join(request.path, 'file'), 'kept')
      await commit(volume, 'g1')
      for (const path of [request.path, join(request.home, 'volumes')]) execFileSync('umount', [path])
      assert.deepEqual(readdirSync(request.path), [])
      await using again = await BtrfsVolume.open(deps(), request)
      assert.equal(readFileSync(join(request.path, 'file'), 'utf8'), 'kept')
      assert.equal((await again.snapshotOf('g1')) !== undefined, true)
      execFileSync('umount', [join(request.home, 'volumes')])
      appendFileSync(join(request.path, 'file'), ' on')
      await using capture = await again.capture(null)
      assert.equal(readFileSync(join(capture.image.path, 'file'), 'utf8'), 'kept on')
    })
  })

  test('does not hide what was written into its directory while it was not mounted', async () => {
    await withHome(async (request) => {
      await using volume = await BtrfsVolume.create(deps(), request)
      await volume.park()
      writeFileSync(join(request.path, 'file'), 'written beside')
      await assert.rejects(BtrfsVolume.open(deps(), request), (error) => isFailure(error, 'not-empty'))
      assert.equal(readFileSync(join(request.path, 'file'), 'utf8'), 'written beside')
    })
  })

  test('that is full refuses writers, names itself in a failed capture, and goes on when there is space', async () => {
    await withNative(async (volume) => {
      writeFileSync(join(volume.path, 'kept'), 'kept')
      await commit(volume, 'g1')
      assert.throws(
        () => fillUp(volume.path),
        (error) => errnoOf(error) === 'ENOSPC',
      )
      for (let attempt = 0; attempt < 3; attempt++) {
        try {
          await commit(volume, `full-${attempt}`)
        } catch (error) {
          assert.ok(isFailure(error, 'volume-full'), String(error))
        }
      }
      for (const name of readdirSync(volume.path)) if (name !== 'kept') rmSync(join(volume.path, name))
      const deadline = systemClock.monotonicMs() + WAIT_MS_MAX
      for (let round = 0; !writes(join(volume.path, 'after')); round++) {
        assert.ok(systemClock.monotonicMs() < deadline, 'the space comes back')
        await commit(volume, `emptied-${round}`)
        await systemClock.sleep(50)
      }
      await using capture = await volume.capture(null)
      assert.deepEqual(readdirSync(capture.image.path).sort(), ['after', 'kept'])
    }, 256 * MEBIBYTE)
  })

  test('a limit that is set again is in force also in a volume that was made anew under its name', async () => {
    await withNative(async (volume, request) => {
      await volume.limit(16 * MEBIBYTE)
      await volume.limit(16 * MEBIBYTE)
      await volume.destroy()
      await using again = await BtrfsVolume.create(deps(), request)
      await again.limit(16 * MEBIBYTE)
      assert.throws(
        () => fillUp(again.path),
        (error) => errnoOf(error) === 'EDQUOT',
      )
    })
  })

  test('with a limit refuses what exceeds it, and the limit outlasts a replacement', async () => {
    await withNative(async (volume) => {
      await volume.limit(16 * MEBIBYTE)
      assert.throws(
        () => fillUp(volume.path),
        (error) => errnoOf(error) === 'EDQUOT',
      )
      await commit(volume, 'g1').catch((error) => assert.ok(isFailure(error, 'volume-full'), String(error)))
      await volume.replace({
        from: undefined,
        fill: async (path) => writeFileSync(join(path, 'file'), 'small'),
        force: false,
        commit: async () => 'g2',
      })
      assert.deepEqual(readdirSync(volume.path), ['file'])
      assert.throws(
        () => fillUp(volume.path),
        (error) => errnoOf(error) === 'EDQUOT',
      )
    })
  })

  test('keeps the present tree when its replacement is not committed, and leaves nothing of it', async () => {
    await withHome(async (request) => {
      await using volume = await BtrfsVolume.create(deps(), request)
      writeFileSync(join(request.path, 'file'), 'present')
      const failed = volume.replace({
        from: undefined,
        fill: async (path) => writeFileSync(join(path, 'file'), 'other'),
        force: false,
        commit: () => Promise.reject(new Error('the lease is lost')),
      })
      await assert.rejects(failed, /the lease is lost/)
      assert.equal(readFileSync(join(request.path, 'file'), 'utf8'), 'present')
      assert.deepEqual(readdirSync(join(request.home, 'volumes', 'ws', 'ws')), ['current'])
      assert.deepEqual(readdirSync(join(request.home, 'volumes', 'snapshots', 'ws')), [])
    })
  })

  test('is trusted after a clean stop and within one boot, and not after a boot in between', async () => {
    await withHome(async (request) => {
      await using volume = await BtrfsVolume.create(deps(), request)
      assert.equal(volume.isTrusted, true)
      const record = join(request.state, 'volume.json')
      const otherBoot = (text: string) => text.replace(/"bootId": "[^"]*"/, '"bootId": "another"')
      writeFileSync(record, otherBoot(readFileSync(record, 'utf8')))
      await using crashed = await BtrfsVolume.open(deps(), request)
      assert.equal(crashed.isTrusted, false)
      await using again = await BtrfsVolume.open(deps(), request)
      assert.equal(again.isTrusted, false, 'opened once more, it is not trusted either')
      await commit(again, 'g1')
      assert.equal(again.isTrusted, true)
      await again.park()
      writeFileSync(record, otherBoot(readFileSync(record, 'utf8')))
      await using stopped = await BtrfsVolume.open(deps(), request)
      assert.equal(stopped.isTrusted, true)
    })
  })

  test('is gone with all its snapshots when it is destroyed', async () => {
    await withHome(async (request) => {
      await using volume = await BtrfsVolume.create(deps(), request)
      await commit(volume, 'g1')
      await volume.destroy()
      assert.deepEqual(readdirSync(join(request.home, 'volumes', 'ws')), [])
      assert.deepEqual(readdirSync(join(request.home, 'volumes', 'snapshots')), [])
      assert.equal(mountAt(request.path), undefined)
    })
  })
})

/** False while the volume is full: what was deleted is given back in the background. */
function writes(path: string): boolean {
  try {
    writeFileSync(path, 'after')
    return true
  } catch (error) {
    assert.equal(errnoOf(error), 'ENOSPC')
    return false
  }
}

/** Throws when no byte more fits. */
function fillUp(path: string): void {
  const block = Buffer.alloc(4 * MEBIBYTE, 1)
  for (let made = 0; made < 1000; made++) {
    appendFileSync(join(path, `fill-${made % 8}`), block)
    execFileSync('btrfs', ['-q', 'filesystem', 'sync', path])
  }
}
