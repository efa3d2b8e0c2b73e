import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { systemBootClock } from '@holdfast/base/boot-clock'
import { Failure } from '@holdfast/base/failure'
import { ExecRequest } from '@holdfast/protocol/exec'
import { SANDBOX_SPEC_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import type { Runtime } from './runtime.ts'

const PROBE_MS_MAX = 20_000

/** Starts a sandbox of the runtime with an empty volume and runs `true` in it; why that fails, or null. */
export async function probeRuntime(runtime: Runtime): Promise<string | null> {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-probe-'))
  const volumePath = join(home, 'volume')
  try {
    chmodSync(home, 0o755)
    mkdirSync(volumePath)
    await using sandbox = await runtime.start({
      id: basename(home),
      folder: join(home, 'sandbox'),
      spec: { ...SANDBOX_SPEC_DEFAULT, isolationMin: 'none', fsync: 'native' },
      volumePath,
      deadlineBootMs: systemBootClock.bootMs() + PROBE_MS_MAX,
    })
    const exec = await sandbox.exec(ExecRequest.parse({ argv: ['true'] }))
    const end = await exec.ended
    return end.kind === 'exited' && end.exitCode === 0
      ? null
      : `a command in a sandbox ended with ${end.kind}`
  } catch (error) {
    if (error instanceof Failure) return error.message
    throw error
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
