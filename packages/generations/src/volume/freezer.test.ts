import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { present } from '@holdfast/base/assert'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import { cgroupVersions, FreezerCgroup } from '@holdfast/testkit/freezer-cgroup'
import { Holdfs } from '../holdfs/holdfs.ts'
import { CgroupFreezer } from './cgroup-freezer.ts'
import { findCgroupHierarchy } from './cgroup-hierarchy.ts'
import { Freeze } from './freezer.ts'
import { LiveVolume } from './live-volume.ts'
import { readProcess } from './process-stat.ts'
import { MARK_VARIABLE, ProcessTree } from './process-tree.ts'

const GROWING = 'while :; do echo >> grown; done'
/** Grows through processes that come and go, two families of them. */
const FORKING = 'grow() { while :; do (echo >> grown; (echo >> grown) & ) ; done; }; grow & grow & wait'
const STILL_MS = 100

let home: string
let holdfs: Holdfs
const grownBytes = () => statSync(join(home, 'grown'), { throwIfNoEntry: false })?.size ?? 0

async function assertRuns(): Promise<void> {
  const seen = grownBytes()
  const deadline = performance.now() + 10_000
  while (grownBytes() <= seen) {
    assert.ok(performance.now() < deadline, 'it runs')
    await delay(2)
  }
}

async function assertStands(): Promise<void> {
  const seen = grownBytes()
  await delay(STILL_MS)
  assert.equal(grownBytes(), seen)
}

before(async () => {
  home = mkdtempSync(join(tmpdir(), 'holdfast-freezer-'))
  holdfs = await Holdfs.start()
})

after(async () => {
  await holdfs[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

test('without cgroups a whole tree stands, also one that forks all the time, and runs again afterwards', async () => {
  for (const script of [GROWING, FORKING]) {
    const mark = `freezer-test-${process.pid}-${script.length}`
    const env = { ...process.env, [MARK_VARIABLE]: mark }
    const child = spawn('sh', ['-c', script], { cwd: home, env, stdio: 'ignore' })
    const pid = present(child.pid, 'pid')
    const tree = new ProcessTree({ pid, startTicks: present(readProcess(pid), 'child').startTicks }, mark)
    try {
      await assertRuns()
      const freeze = await Freeze.take(
        { holdfs, clock: systemClock },
        { cgroups: [], pids: () => tree.running() },
      )
      await assertStands()
      await freeze.release()
      assert.ok(freeze.frozenMs >= STILL_MS)
      await assertRuns()
    } finally {
      for (let living = tree.members(); living.length > 0; living = tree.members())
        for (const member of living) killIfAlive(member.pid)
    }
  }
})

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended by itself
  }
}

for (const version of cgroupVersions()) {
  test(`version ${version}: a capture of a live volume stands until it is released, and is thawed when it is given up`, async () => {
    await using cgroup = new FreezerCgroup(version)
    await cgroup.spawn(GROWING, home)
    const volume = new LiveVolume({ holdfs, clock: systemClock, randomness: systemRandomness }, home)
    const freezer = CgroupFreezer.attach(cgroup.path)
    const capture = await volume.capture(freezer)
    assert.equal(capture.image.consistency, 'cut')
    await assertStands()
    await capture.image.release?.()
    const { frozenMs } = capture
    assert.ok(frozenMs >= STILL_MS)
    await assertRuns()
    await capture[Symbol.asyncDispose]()
    assert.equal(capture.frozenMs, frozenMs)
    {
      await using _givenUp = await volume.capture(freezer)
      await assertStands()
    }
    await assertRuns()
    await using unfrozen = await volume.capture(null)
    assert.deepEqual([unfrozen.image.consistency, unfrozen.frozenMs], ['per-database', 0])
    await assertRuns()
  })

  test(`version ${version}: what others had frozen stays theirs`, async () => {
    await using cgroup = new FreezerCgroup(version)
    await cgroup.spawn('sleep 60', home)
    cgroup.freeze()
    const freeze = await Freeze.take({ holdfs, clock: systemClock }, CgroupFreezer.attach(cgroup.path))
    await freeze.release()
    assert.equal(cgroup.isFrozen(), true)
  })

  test(`version ${version}: the CPU counter stands while a workload sleeps and moves when it has run`, async () => {
    const hierarchy = present(findCgroupHierarchy([version]), 'hierarchy')
    const cgroup = CgroupFreezer.create(hierarchy, `test-${process.pid}`)
    const enter = cgroup.entrances.map((path) => `echo $$ > ${path}/cgroup.procs`).join(' && ')
    const child = spawn('sh', ['-c', `${enter} && while read line; do echo $line; done`])
    try {
      child.stdin.write('begin\n')
      await new Promise((resolve) => child.stdout.once('data', resolve))
      await delay(20)
      const before = present(cgroup.cpuNs(), 'counter')
      await delay(50)
      assert.equal(cgroup.cpuNs(), before)
      child.stdin.write('more\n')
      await new Promise((resolve) => child.stdout.once('data', resolve))
      await delay(20)
      assert.ok(present(cgroup.cpuNs(), 'counter') > before)
      assert.equal(await cgroup.remove(systemClock), false)
    } finally {
      child.kill('SIGKILL')
      await new Promise((resolve) => child.once('close', resolve))
      assert.equal(await cgroup.remove(systemClock), true)
    }
    assert.deepEqual(cgroup.cgroups, [])
    assert.equal(cgroup.cpuNs(), 0)
  })

  test(`version ${version}: a cgroup that has gone counts as frozen`, async () => {
    const cgroup = CgroupFreezer.create(
      present(findCgroupHierarchy([version]), 'hierarchy'),
      `gone-${process.pid}`,
    )
    const { cgroups, pids } = cgroup
    assert.equal(await cgroup.remove(systemClock), true)
    await using _freeze = await Freeze.take({ holdfs, clock: systemClock }, { cgroups, pids })
  })
}

test('what cannot be frozen is refused, and nothing stays frozen', async () => {
  assert.throws(
    () => CgroupFreezer.attach(home),
    (error) => isFailure(error, 'not-found'),
  )
  await using cgroup = new FreezerCgroup(present(cgroupVersions()[0], 'version'))
  await cgroup.spawn(GROWING, home)
  const pids = () => [process.pid]
  await assert.rejects(
    Freeze.take({ holdfs, clock: systemClock }, { cgroups: [cgroup.path], pids }),
    (error) => isFailure(error, 'source-failed') && error.details.errno === 'EDEADLK',
  )
  assert.equal(cgroup.isFrozen(), false)
  await assertRuns()
})

test('a directory that is gone is no capture', async () => {
  const volume = new LiveVolume(
    { holdfs, clock: systemClock, randomness: systemRandomness },
    join(home, 'none'),
  )
  await assert.rejects(volume.capture(null), (error) => isFailure(error, 'not-found'))
})
