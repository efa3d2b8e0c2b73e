import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { LiveVolume } from '@holdfast/generations/volume/live-volume'
import { cgroupVersions, FreezerCgroup } from '@holdfast/testkit/freezer-cgroup'
import { FrozenWorkload } from './frozen-workload.ts'

const LIMITS = { timeout: 20_000 }
/** Longer than a cgroup takes to be frozen. */
const A_WHILE_MS = 100

for (const version of cgroupVersions()) {
  for (const end of ['read', 'given up'] as const) {
    test(`a freeze outlasts a capture that is ${end} (cgroup v${version})`, LIMITS, async () => {
      await using stack = new AsyncDisposableStack()
      const path = mkdtempSync(join(tmpdir(), 'holdfast-frozen-'))
      stack.defer(() => rmSync(path, { recursive: true }))
      const cgroup = stack.use(new FreezerCgroup(version))
      await cgroup.spawn('while :; do date > now; done', path)
      const holdfs = stack.use(await Holdfs.start({ clock: systemClock }))
      const deps = { holdfs, clock: systemClock, randomness: systemRandomness }
      const volume = stack.use(new LiveVolume(deps, path))
      const workload = new FrozenWorkload(deps, { cgroups: [cgroup.path], cpuNs: () => null })

      const capture = await workload.capture(volume, workload.freezer)
      assert.ok(cgroup.isFrozen())
      const frozen = workload.freeze()
      await systemClock.sleep(A_WHILE_MS)
      if (end === 'read') await capture.image.release?.()
      else await capture[Symbol.asyncDispose]()
      await frozen
      await systemClock.sleep(A_WHILE_MS)
      assert.ok(cgroup.isFrozen(), 'the writers run on')
      await capture[Symbol.asyncDispose]()
      assert.ok(cgroup.isFrozen(), 'the writers run on')

      await using last = await workload.capture(volume, workload.freezer)
      await last.image.release?.()
      assert.ok(cgroup.isFrozen(), 'the writers run on')
      await workload.thaw()
      assert.ok(!cgroup.isFrozen())
    })
  }
}
