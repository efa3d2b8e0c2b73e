import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { leaveSandboxes } from '@holdfast/testkit/leave-sandboxes'
import { installedPrograms } from '../native-programs.ts'
import { BwrapRuntime } from './bwrap-runtime.ts'

/** Starts sandboxes and waits to be killed: what becomes of them then is the test. */
await leaveSandboxes(
  new BwrapRuntime({
    clock: systemClock,
    randomness: systemRandomness,
    programs: installedPrograms(),
    openFilesMax: 4096,
    user: { uid: 1000, gid: 1000 },
  }),
)
