import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ExecRequest } from '@holdfast/protocol/exec'
import { SANDBOX_SPEC_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import type { Runtime } from '@holdfast/sandbox/runtime'
import { bootMs } from './runtime-bench.ts'

const LIFE_MS = 30_000
const TICKS = 'setsid sh -c "trap : TERM HUP; while :; do echo >> ticks; sleep 0.01; done" & exit 0'

/**
 * Arguments of the process: a folder of sandboxes, and a volume for each sandbox to start. Prints the freezer cgroup of
 * the first one, or an empty line, once they run, and then waits to be killed.
 */
export async function leaveSandboxes(runtime: Runtime): Promise<void> {
  const [folder = '', ...volumes] = process.argv.slice(2)
  const sandboxes = []
  for (const [index, volumePath] of volumes.entries()) {
    const id = `left${process.pid}-${index}`
    const sandbox = await runtime.start({
      id,
      folder: join(folder, id),
      spec: { ...SANDBOX_SPEC_DEFAULT, isolationMin: 'none', fsync: 'native' },
      volumePath,
      deadlineBootMs: bootMs() + LIFE_MS,
    })
    const exec = await sandbox.exec(ExecRequest.parse({ argv: ['sh', '-c', TICKS] }))
    await exec.ended
    sandboxes.push(sandbox)
  }
  process.stdout.write(`${sandboxes[0]?.cgroups[0] ?? ''}\n`)
  await delay(LIFE_MS)
  process.exit(1)
}
