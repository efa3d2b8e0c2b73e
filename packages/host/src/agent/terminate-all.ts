import type { Clock } from '@holdfast/base/clock'
import type { ResidentWorkspaces } from './resident-workspaces.ts'

/**
 * Closes all that runs here before the machine goes: last commits race the grace. What is not done by then is left as a
 * crash leaves it: the last generation holds. Resolves with what was saved, and what was not.
 */
export async function terminateAll(
  residents: ResidentWorkspaces,
  { clock, graceMs }: { readonly clock: Clock; readonly graceMs: number },
): Promise<{ readonly saved: readonly string[]; readonly left: readonly string[] }> {
  residents.drain()
  const names = residents.all().map(({ facts }) => facts.workspace)
  const saved = new Set<string>()
  const close = async (workspace: (typeof names)[number]) => {
    const request = { workspace, cause: 'termination', drainMs: 0, force: true } as const
    const outcome = await residents.close(request)
    if (outcome.kind === 'saved') saved.add(workspace)
  }
  const late = new AbortController()
  await Promise.race([
    Promise.allSettled(names.map(close)),
    clock.sleep(graceMs, late.signal).catch(() => {}), // all were in time
  ])
  late.abort()
  return { saved: [...saved], left: names.filter((name) => !saved.has(name)) }
}
