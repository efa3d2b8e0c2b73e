import type { StoreDeps } from './maintenance-deps.ts'
import { keptPackKeys, namedIndexObjects } from './unknown-objects.ts'

/** Keys told of; more are counted by GC. */
const KEYS_MAX = 1000

/** Objects of an org that nothing in the index names. */
export async function unreferencedObjects(deps: StoreDeps, org: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const prefix of [`packs/${org}/`, `index/${org}/`])
    for await (const { key } of deps.store.list(prefix)) found.push(key)
  const named = [await namedIndexObjects(deps, org), await keptPackKeys(deps, org)]
  return found.filter((key) => named.every((keys) => !keys.has(key))).slice(0, KEYS_MAX)
}
