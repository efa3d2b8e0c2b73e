import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isFailure } from '@holdfast/base/failure'
import { BTRFS_IMAGE_BYTES_MIN, withBtrfsImage } from '@holdfast/testkit/btrfs-image'
import { cgroupVersions, FreezerCgroup } from '@holdfast/testkit/freezer-cgroup'
import { fromText, toFsPath } from '../format/byte-string.ts'
import { Holdfs } from './holdfs.ts'

const BUILD = fileURLToPath(new URL('../../native/build.sh', import.meta.url))
const MEBIBYTE = 1024 * 1024

describe('holdfs on btrfs', () => {
  let holdfs: Holdfs

  before(async () => {
    execFileSync('sh', [BUILD])
    holdfs = await Holdfs.start()
  })

  after(async () => {
    await holdfs[Symbol.asyncDispose]()
  })

  /** Runs `use` with the byte path of a mounted image that has a subvolume `work`. */
  async function withSubvolume(use: (mount: string) => Promise<void>): Promise<void> {
    await withBtrfsImage(BTRFS_IMAGE_BYTES_MIN, async (mountDir) => {
      const mount = fromText(mountDir)
      await holdfs.subvolumeCreate(mount, 'work')
      await use(mount)
    })
  }

  test('a subvolume is mounted elsewhere, and taken away only while nobody uses it, or lazily', async () => {
    await withSubvolume(async (mount) => {
      writeFileSync(`${mount}/work/file`, 'one')
      const device = execFileSync('findmnt', ['-no', 'SOURCE', mount], { encoding: 'utf8' }).trim()
      const path = mkdtempSync(join(tmpdir(), 'holdfast-mount-'))
      try {
        await assert.rejects(holdfs.mountSubvolume({ device, subvolume: '/none', path }), (error) =>
          isFailure(error, 'not-found'),
        )
        await assert.rejects(holdfs.mountSubvolume({ device, subvolume: '/work,ro', path }), (error) =>
          isFailure(error, 'source-failed'),
        )
        await holdfs.mountSubvolume({ device, subvolume: '/work', path })
        const file = openSync(`${path}/file`, 'r')
        await assert.rejects(
          holdfs.unmount(path, { lazy: false }),
          (error) => isFailure(error) && error.details.errno === 'EBUSY',
        )
        await holdfs.unmount(path, { lazy: true })
        assert.deepEqual(readdirSync(path), [])
        closeSync(file)
      } finally {
        rmSync(path, { recursive: true })
      }
    })
  })

  test('subvolumes are created, snapshot read-only or writable, recognised and deleted', async () => {
    await withSubvolume(async (mount) => {
      writeFileSync(`${mount}/work/file`, 'one')
      mkdirSync(`${mount}/work/plain`)
      const source = `${mount}/work`
      await holdfs.subvolumeSnapshot({ source, parent: mount, name: 'ro\xff', readOnly: true })
      await holdfs.subvolumeSnapshot({ source, parent: mount, name: 'fork', readOnly: false })
      writeFileSync(`${mount}/fork/file`, 'two')
      assert.throws(() => writeFileSync(toFsPath(`${mount}/ro\xff/file`), 'three'), /EROFS/)
      assert.equal(readFileSync(toFsPath(`${mount}/ro\xff/file`), 'utf8'), 'one')
      const roots = [mount, `${mount}/work`, `${mount}/ro\xff`, `${mount}/work/plain`, `${mount}/work/file`]
      const found = await Promise.all(roots.map((path) => holdfs.isSubvolumeRoot(path)))
      assert.deepEqual(found, [true, true, true, false, false])
      for (const name of ['ro\xff', 'fork']) await holdfs.subvolumeDelete(mount, name)
      assert.deepEqual(readdirSync(mount), ['work'])
    })
  })

  test('what cannot be made or deleted is a named failure', async () => {
    await withSubvolume(async (mount) => {
      await assert.rejects(holdfs.subvolumeCreate(mount, 'work'), (error) =>
        isFailure(error, 'already-exists'),
      )
      await assert.rejects(holdfs.subvolumeDelete(mount, 'none'), (error) => isFailure(error, 'not-found'))
      await assert.rejects(holdfs.subvolumeCreate(tmpdir(), 'x'), (error) =>
        isFailure(error, 'unsupported-here'),
      )
      await assert.rejects(holdfs.subvolumeCreate(mount, 'n'.repeat(256)), (error) => {
        return isFailure(error, 'source-failed') && error.details.errno === 'ENAMETOOLONG'
      })
      await holdfs.subvolumeCreate(mount, 'n'.repeat(255))
    })
  })

  test('the generation of a subvolume moves when it changes, and not when a neighbour does', async () => {
    await withSubvolume(async (mount) => {
      await holdfs.syncfs(mount)
      const before = await holdfs.subvolumeState(`${mount}/work`)
      writeFileSync(`${mount}/neighbour`, 'x')
      await holdfs.syncfs(mount)
      assert.deepEqual(await holdfs.subvolumeState(`${mount}/work`), before)
      writeFileSync(`${mount}/work/file`, 'x')
      await holdfs.syncfs(mount)
      const after = await holdfs.subvolumeState(`${mount}/work`)
      assert.ok(after.generation > before.generation)
      assert.equal(after.subvolumeId, before.subvolumeId)
      assert.equal(after.readOnly, false)
    })
  })

  test('a send stream without data starts with its magic and is small, whole or relative to a parent', async () => {
    await withSubvolume(async (mount) => {
      const source = `${mount}/work`
      writeFileSync(`${source}/big`, Buffer.alloc(4 * MEBIBYTE, 1))
      await holdfs.subvolumeSnapshot({ source, parent: mount, name: 'first', readOnly: true })
      writeFileSync(`${source}/added`, 'x')
      await holdfs.subvolumeSnapshot({ source, parent: mount, name: 'second', readOnly: true })
      const whole = await holdfs.sendNoData(`${mount}/first`)
      const changes = await holdfs.sendNoData(`${mount}/second`, `${mount}/first`)
      for (const stream of [whole, changes]) {
        assert.equal(stream.toString('latin1', 0, 13), 'btrfs-stream\0')
        assert.ok(stream.length < 64 * 1024, `${stream.length} bytes`)
      }
      assert.ok(changes.includes('added') && !changes.includes('big') && whole.includes('big'))
      await assert.rejects(holdfs.sendNoData(source), (error) => isFailure(error, 'no-permission'))
    })
  })

  test('a send stream above 32 MiB is refused as EFBIG, and the next one is served', async () => {
    await withSubvolume(async (mount) => {
      const directory = `${mount}/work`
      const value = 'v'.repeat(16_000)
      const names = Array.from({ length: 2200 }, (_, index) => `f${index}`)
      for (const name of names) writeFileSync(`${directory}/${name}`, '')
      const entries = names.map((name) => ({ name, xattrs: [{ name: 'user.v', value }] }))
      assert.deepEqual(await holdfs.applyAttributes([{ directory, entries }]), [])
      await holdfs.subvolumeSnapshot({ source: directory, parent: mount, name: 'big', readOnly: true })
      await assert.rejects(holdfs.sendNoData(`${mount}/big`), (error) => {
        return isFailure(error, 'source-failed') && error.details.errno === 'EFBIG'
      })
      const unchanged = await holdfs.sendNoData(`${mount}/big`, `${mount}/big`)
      assert.equal(unchanged.toString('latin1', 0, 13), 'btrfs-stream\0')
    })
  })

  test('a quota refuses what exceeds it, can be raised, and leaves other subvolumes alone', async () => {
    await withSubvolume(async (mount) => {
      await holdfs.subvolumeCreate(mount, 'other')
      await holdfs.quotaLimit(`${mount}/work`, BigInt(4 * MEBIBYTE))
      await holdfs.syncfs(mount)
      const tooMuch = Buffer.alloc(8 * MEBIBYTE, 1)
      // Node has no name for EDQUOT: it says UNKNOWN.
      assert.throws(() => writeFileSync(`${mount}/work/file`, tooMuch), { errno: -constants.errno.EDQUOT })
      writeFileSync(`${mount}/other/file`, tooMuch)
      await holdfs.quotaLimit(`${mount}/work`, 'none')
      writeFileSync(`${mount}/work/file`, tooMuch)
      await holdfs.syncfs(mount)
      const used = await holdfs.quotaUsed(`${mount}/work`)
      assert.ok(used >= tooMuch.length && used < tooMuch.length + MEBIBYTE, `${used}`)
      assert.equal(statSync(`${mount}/work/file`).size, tooMuch.length)
    })
  })

  for (const version of cgroupVersions()) {
    test(`a capture under a version ${version} freezer is one cut of a running writer, and prints its times`, async () => {
      await withSubvolume(async (mount) => {
        const work = `${mount}/work`
        await using cgroup = new FreezerCgroup(version)
        const loop = 'i=0; while :; do i=$((i+1)); echo $i > a; echo $i > b; done'
        await cgroup.spawn(loop, work)
        const frozenMs: number[] = []
        for (let round = 0; round < 30; round++) {
          for (let file = 0; file < 100; file++) writeFileSync(`${work}/dirty-${file}`, `round ${round}`)
          const snapshot = { source: work, parent: mount, name: `cut-${round}` }
          const captured = await holdfs.capture({
            cgroups: [cgroup.path],
            freezeTimeoutMs: 2000,
            syncfs: mount,
            snapshot,
          })
          assert.equal(captured.alreadyFrozen, 0)
          assert.ok(captured.frozenNs >= captured.freezeNs + captured.syncfsNs + captured.snapshotNs)
          frozenMs.push(captured.frozenNs / 1e6)
          assertOneCut(`${mount}/cut-${round}`)
        }
        assert.equal(cgroup.isFrozen(), false)
        frozenMs.sort((a, b) => a - b)
        console.log(
          `capture v${version}, 100 dirty files: frozen ${frozenMs[15]?.toFixed(2)} ms p50, ${frozenMs[29]?.toFixed(2)} ms max`,
        )
      })
    })
  }

  test('a capture whose snapshot cannot be made thaws and names the step', async () => {
    await withSubvolume(async (mount) => {
      const [version] = cgroupVersions()
      assert.ok(version)
      await using cgroup = new FreezerCgroup(version)
      await cgroup.spawn('while :; do :; done', mount)
      const options = { cgroups: [cgroup.path], freezeTimeoutMs: 2000, syncfs: mount }
      const snapshot = { source: `${mount}/work`, parent: mount, name: 'work' }
      await assert.rejects(holdfs.capture({ ...options, snapshot }), (error) => {
        return isFailure(error, 'already-exists') && error.details.step === 'snapshot'
      })
      assert.equal(cgroup.isFrozen(), false)
      await assert.rejects(holdfs.capture({ ...options, syncfs: `${mount}/none` }), (error) => {
        return isFailure(error, 'not-found') && error.details.step === 'open'
      })
      assert.equal(cgroup.isFrozen(), false)
    })
  })

  test('the companion holds no mount busy when it is idle', async () => {
    await using started = await Holdfs.start()
    await withBtrfsImage(BTRFS_IMAGE_BYTES_MIN, async (mountDir) => {
      await started.syncfs(fromText(mountDir))
      await started.readXattrs(fromText(mountDir), ['.'])
    })
  })
})

/** The loop writes a, then b: a is at most one ahead. An empty file is caught between its truncation and its write. */
function assertOneCut(snapshot: string): void {
  const [a, b] = ['a', 'b'].map(
    (name) => readdirSync(snapshot).includes(name) && readFileSync(`${snapshot}/${name}`, 'utf8'),
  )
  if (!a || !b) return
  assert.ok(Number(a) - Number(b) === 0 || Number(a) - Number(b) === 1, `a ${a} b ${b}`)
}
