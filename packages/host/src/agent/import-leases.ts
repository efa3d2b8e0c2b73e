import { Failure } from '@holdfast/base/failure'
import type { BrowseDeps, ImportLease } from '../browse/browse-deps.ts'
import type { Leases } from '../workspace/leases.ts'

/** The right to begin a history, one import at a time for each workspace of this host. */
export function importLeases(leases: Leases): BrowseDeps['acquire'] {
  const taken = new Set<string>()
  return async ({ workspace }): Promise<ImportLease> => {
    if (taken.has(workspace))
      throw new Failure('lease-held', 'another import into this workspace is under way', { workspace })
    taken.add(workspace)
    try {
      const lease = await leases.acquire(workspace)
      return {
        lease: lease.held,
        [Symbol.asyncDispose]: async () => {
          await lease.release(null).catch(() => {}) // it runs out by itself
          taken.delete(workspace)
        },
      }
    } catch (error) {
      taken.delete(workspace)
      throw error
    }
  }
}
