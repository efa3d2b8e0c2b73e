import { execFileSync } from 'node:child_process'
import { before } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { runtimeConformance } from '@holdfast/testkit/runtime-conformance'
import { installedPrograms } from '../native-programs.ts'
import { BwrapRuntime } from './bwrap-runtime.ts'

const GUEST_USER_ID = 1000

before(() => {
  for (const build of ['build.sh', 'holdmount/build.sh', 'syscalls/build.sh'])
    execFileSync('sh', [fileURLToPath(new URL(`../../native/${build}`, import.meta.url))])
})

runtimeConformance('bwrap', {
  open: () =>
    new BwrapRuntime({
      clock: systemClock,
      randomness: systemRandomness,
      programs: installedPrograms(),
      openFilesMax: 4096,
      user: { uid: GUEST_USER_ID, gid: GUEST_USER_ID },
    }),
  leaver: new URL('./leave-sandboxes.fixture.ts', import.meta.url),
  isIsolated: true,
  hasLimits: false,
  isHostKernel: true,
  isFreezable: false,
  hasRoot: false,
  hasWritableSystem: false,
  hasPacks: true,
  isRelaxable: true,
  owner: GUEST_USER_ID,
})
