import type { SandboxLimits } from '@holdfast/protocol/sandbox-spec'
import type { ResourceLimit } from './holdinit/exec-request.ts'

/** Numbers of setrlimit(2), the same on every architecture that Holdfast runs on. */
const RLIMIT_FSIZE = 1
const RLIMIT_CORE = 4
const RLIMIT_NOFILE = 7
const RLIMIT_MEMLOCK = 8
const RLIMIT_MSGQUEUE = 12
const LOCKED_BYTES_MAX = 64 * 1024

/** What a command may have where no container limits it. Pure. */
export function commandLimits(limits: SandboxLimits, openFilesMax: number): ResourceLimit[] {
  const limit = (resource: number, most: number) => ({ resource, soft: BigInt(most), hard: BigInt(most) })
  return [
    limit(RLIMIT_NOFILE, Math.min(limits.openFiles, openFilesMax)),
    limit(RLIMIT_FSIZE, limits.diskBytes),
    limit(RLIMIT_MEMLOCK, LOCKED_BYTES_MAX),
    limit(RLIMIT_CORE, 0),
    limit(RLIMIT_MSGQUEUE, 0),
  ]
}
