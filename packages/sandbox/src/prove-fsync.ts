import { Failure } from '@holdfast/base/failure'
import { FsyncPolicy } from '@holdfast/protocol/sandbox-spec'
import type { Sandbox } from './runtime.ts'
import { GUEST_ENVIRONMENT } from './system/root-plan.ts'

/**
 * What fsync does in a sandbox, asked of a program inside. Rejects with `sandbox-failed` when it succeeds without effect
 * although the disk's own is wanted; the other way round is merely slower.
 */
export async function proveFsync(
  exec: Sandbox['exec'],
  wanted: FsyncPolicy,
  hold = 'hold',
): Promise<FsyncPolicy> {
  const probe = await exec({
    argv: [hold, 'fsync'],
    cwd: '/',
    environment: { PATH: GUEST_ENVIRONMENT.PATH ?? '' },
    user: 'user',
    stdin: false,
  })
  const said: Uint8Array[] = []
  for await (const { bytes } of probe.output) said.push(bytes)
  const found = FsyncPolicy.safeParse(Buffer.concat(said).toString().trim()).data
  if (found !== undefined && (found === wanted || found === 'native')) return found
  throw new Failure('sandbox-failed', `fsync is ${found ?? 'unknown'} inside, where ${wanted} is wanted`, {
    wanted,
    found: found ?? null,
  })
}
