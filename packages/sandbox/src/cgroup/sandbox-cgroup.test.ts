import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '@holdfast/base/clock'
import { cgroupVersions, FreezerCgroup } from '@holdfast/testkit/freezer-cgroup'
import { UNIFIED } from './cgroup-mounts.ts'
import { SandboxCgroup } from './sandbox-cgroup.ts'

/** Families that fork all the time, in sessions of their own, and do not mind being asked to end. */
const FORKING = `grow() { trap : TERM; while :; do (echo >> ticks; (echo >> ticks) & ); done; }
for n in 1 2 3; do grow & done; wait`

async function forking(t: TestContext, version: 1 | 2) {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-cgroup-'))
  t.after(() => rmSync(home, { recursive: true }))
  const cgroup = new FreezerCgroup(version)
  t.after(() => cgroup[Symbol.asyncDispose]())
  await cgroup.spawn(FORKING, home)
  const ticks = join(home, 'ticks')
  while ((statSync(ticks, { throwIfNoEntry: false })?.size ?? 0) < 50) await delay(5)
  const sandbox = new SandboxCgroup(
    new Map([[version === 1 ? 'freezer' : UNIFIED, cgroup.path]]),
    systemClock,
  )
  return { cgroup, sandbox, ticks }
}

for (const version of cgroupVersions()) {
  test(`all that forks in a cgroup of version ${version} is killed`, async (t) => {
    const { cgroup, sandbox, ticks } = await forking(t, version)
    await sandbox.kill()
    const seen = readFileSync(ticks).length
    assert.deepEqual(sandbox.pids(), [])
    await delay(100)
    assert.equal(readFileSync(ticks).length, seen)
    await sandbox.remove()
    assert.equal(sandbox.exists, false)
    await sandbox.kill()
    mkdirSync(cgroup.path) // whose disposal expects it
  })

  test(`a frozen cgroup of version ${version} is killed without a step`, async (t) => {
    const { cgroup, sandbox, ticks } = await forking(t, version)
    cgroup.freeze()
    while (!cgroup.isFrozen()) await delay(1)
    const seen = readFileSync(ticks).length
    await sandbox.kill()
    assert.equal(readFileSync(ticks).length, seen)
  })
}

test('what is not there is killed, removed and counted as nothing', async () => {
  const sandbox = new SandboxCgroup(new Map([['freezer', '/sys/fs/cgroup/freezer/none/such']]), systemClock)
  await sandbox.kill()
  await sandbox.remove()
  assert.equal(sandbox.cpuNs(), null)
  assert.equal(sandbox.oomKills(), 0)
})

test('kills for memory and CPU time are read in the words of either version', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-cgroup-'))
  t.after(() => rmSync(home, { recursive: true }))
  writeFileSync(join(home, 'memory.oom_control'), 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n')
  writeFileSync(join(home, 'memory.events'), 'low 0\noom 9\noom_kill 2\noom_group_kill 0\n')
  writeFileSync(join(home, 'cpuacct.usage'), '5000\n')
  writeFileSync(join(home, 'cpu.stat'), 'usage_usec 7\nuser_usec 4\n')
  const version1 = new SandboxCgroup(
    new Map([
      ['memory', home],
      ['cpuacct', home],
    ]),
    systemClock,
  )
  assert.deepEqual([version1.oomKills(), version1.cpuNs()], [3, 5000])
  const version2 = new SandboxCgroup(new Map([[UNIFIED, home]]), systemClock)
  assert.deepEqual([version2.oomKills(), version2.cpuNs()], [2, 7000])
  rmSync(join(home, 'memory.events'))
  assert.equal(version2.oomKills(), 2, 'the last that was read')
})
