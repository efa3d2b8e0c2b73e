import { Failure } from '@holdfast/base/failure'
import type { RuntimeKind } from '@holdfast/protocol/sandbox-spec'
import { BwrapRuntime } from '@holdfast/sandbox/bwrap/bwrap-runtime'
import { installedPrograms } from '@holdfast/sandbox/native-programs'
import { NoneRuntime } from '@holdfast/sandbox/none/none-runtime'
import { readOpenFilesMax } from '@holdfast/sandbox/open-files-limit'
import { RuncRuntime } from '@holdfast/sandbox/runc/runc-runtime'
import { RunscRuntime } from '@holdfast/sandbox/runsc/runsc-runtime'
import type { Runtime } from '@holdfast/sandbox/runtime'
import type { HostOffer } from '../running-role.ts'
import type { RoleGround } from './role-ground.ts'

export interface TriedRuntime {
  readonly runtime: Runtime
  /** Null: it started a sandbox just now, else why not. */
  readonly trouble: string | null
}

/** Starts a sandbox of each, beside one another. */
export async function tryRuntimes(
  ground: Pick<RoleGround, 'clock' | 'randomness'>,
  kinds: readonly RuntimeKind[],
): Promise<readonly TriedRuntime[]> {
  const runtimes = kinds.map((kind) => runtimeOf(kind, ground))
  return await Promise.all(runtimes.map(async (runtime) => ({ runtime, trouble: await runtime.probe() })))
}

/**
 * The runtimes that work here, in the order in which they are wanted: each has started a sandbox to show it. With them
 * come those that do not. Rejects with `isolation-unavailable`, saying why, when none does.
 */
export async function usableRuntimes(
  ground: RoleGround,
  kinds: readonly RuntimeKind[],
): Promise<{ readonly runtimes: readonly Runtime[]; readonly refused: HostOffer['refused'] }> {
  const tried = await tryRuntimes(ground, kinds)
  const runtimes = tried.filter(({ trouble }) => trouble === null).map(({ runtime }) => runtime)
  const refused = tried.flatMap(({ runtime: { kind }, trouble }) =>
    trouble === null ? [] : [{ kind, trouble }],
  )
  const reasons = refused.map(({ kind, trouble }) => `${kind}: ${trouble}`)
  if (runtimes.length === 0)
    throw new Failure(
      'isolation-unavailable',
      `no runtime works here (${reasons.join('; ')}); --runtime none runs code without isolation`,
    )
  for (const reason of reasons) ground.log.warn({ reason }, 'a runtime does not work here')
  return { runtimes, refused }
}

function runtimeOf(kind: RuntimeKind, ground: Pick<RoleGround, 'clock' | 'randomness'>): Runtime {
  const deps = { ...ground, programs: installedPrograms(), openFilesMax: readOpenFilesMax() }
  switch (kind) {
    case 'runc':
      return new RuncRuntime(deps)
    case 'runsc':
      return new RunscRuntime(deps)
    case 'bwrap':
      return new BwrapRuntime(deps)
    case 'none':
      return new NoneRuntime(deps)
  }
}
