import { commitDirectory } from '@holdfast/generations/directory/commit-directory'
import type { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { collectGarbage } from '@holdfast/generations/maintenance/collect-garbage'
import { compactWorkspace } from '@holdfast/generations/maintenance/compact-workspace'
import type { MaintenanceDeps } from '@holdfast/generations/maintenance/maintenance-deps'

/** What is killed, and made to fail, at each of its steps. */
export type Operation = 'commit' | 'restore' | 'compact' | 'collect'

/** Does it once; `target` is where a restore goes. */
export async function operate(
  durable: DurableDirectory,
  operation: Operation,
  target: string,
): Promise<unknown> {
  switch (operation) {
    case 'commit':
      return commitDirectory(durable.deps, { path: durable.config.path, wish: { kind: 'sync' } })
    case 'restore':
      return durable.restore({ generation: await durable.find(), path: target })
    case 'compact':
      return compactUnderLease(durable)
    case 'collect':
      return collectGarbage(maintenanceDeps(durable), {
        org: durable.config.org,
        graceMs: 0,
        sweepOrphans: true,
      })
  }
}

async function compactUnderLease(durable: DurableDirectory): Promise<unknown> {
  using held = await durable.hold()
  return await compactWorkspace(maintenanceDeps(durable), { lease: held.lease, always: true })
}

export function maintenanceDeps({ deps, store, index, coding }: DurableDirectory): MaintenanceDeps {
  return { store, index, coding, clock: deps.clock, randomness: deps.randomness }
}
