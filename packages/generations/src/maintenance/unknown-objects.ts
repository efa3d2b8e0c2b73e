import { packKey, randomName } from '../format/names.ts'
import type { StoredObject } from '../store/object-store.ts'
import type { MaintenanceDeps, StoreDeps } from './maintenance-deps.ts'

/** An object is an orphan only after this time by the store's clock: no commit takes as long. */
const ORPHAN_AGE_MS = 24 * 60 * 60_000
const PARALLEL_DELETES = 16

/** Objects of an org, by their keys, that nothing named at the time of the listing. */
export interface UnknownObjects {
  readonly indexObjects: readonly string[]
  readonly orphans: readonly string[]
}

/** Lists the org's index objects and, if `withPacks`, its packs. */
export async function findUnknownObjects(
  deps: MaintenanceDeps,
  org: string,
  withPacks: boolean,
): Promise<UnknownObjects> {
  const named = await namedIndexObjects(deps, org)
  const indexObjects: string[] = []
  for await (const { key } of deps.store.list(`index/${org}/`)) if (!named.has(key)) indexObjects.push(key)
  return { indexObjects, orphans: withPacks ? await findOrphans(deps, org) : [] }
}

/** Deletes those that are still unknown; call after the boundary has passed, so that none can be named any more. */
export async function deleteUnknownObjects(
  deps: MaintenanceDeps,
  org: string,
  unknown: UnknownObjects,
): Promise<{ readonly deletedIndexObjects: number; readonly deletedOrphans: number }> {
  const named = await namedIndexObjects(deps, org)
  const indexObjects = unknown.indexObjects.filter((key) => !named.has(key))
  const known = unknown.orphans.length === 0 ? new Set<string>() : await keptPackKeys(deps, org)
  const orphans = unknown.orphans.filter((key) => !known.has(key))
  const keys = [...indexObjects, ...orphans]
  for (let start = 0; start < keys.length; start += PARALLEL_DELETES)
    await Promise.all(keys.slice(start, start + PARALLEL_DELETES).map((key) => deps.store.delete(key)))
  return { deletedIndexObjects: indexObjects.length, deletedOrphans: orphans.length }
}

async function findOrphans(deps: MaintenanceDeps, org: string): Promise<string[]> {
  const before = (await storeNow(deps, org)) - ORPHAN_AGE_MS
  const found: StoredObject[] = []
  for await (const object of deps.store.list(`packs/${org}/`))
    if (object.modifiedAt < before) found.push(object)
  const known = await keptPackKeys(deps, org)
  return found.map((object) => object.key).filter((key) => !known.has(key))
}

/** The store's own clock, read from an object that it has just taken. */
async function storeNow(deps: MaintenanceDeps, org: string): Promise<number> {
  const key = `clock/${org}/${randomName(deps.randomness)}`
  await deps.store.put(key, [Buffer.from('now')])
  let now = 0
  for await (const object of deps.store.list(key)) now = object.modifiedAt
  await deps.store.delete(key)
  return now
}

/** The keys of the index objects that the workspaces of an org name. */
export async function namedIndexObjects(deps: StoreDeps, org: string): Promise<ReadonlySet<string>> {
  const named = new Set<string>()
  for (const { id } of await deps.index.workspaces(org))
    for (const key of (await deps.index.chunkIndex(id)).baseObjects) named.add(key)
  return named
}

/**
 * The keys of the packs that an org's index keeps. A deleted pack whose object is there again, from an upload that took
 * effect late, is none of them.
 */
export async function keptPackKeys(deps: StoreDeps, org: string): Promise<ReadonlySet<string>> {
  const rows = [...(await deps.index.packs(org, 'live')), ...(await deps.index.packs(org, 'condemned'))]
  return new Set(rows.map((row) => packKey(row.name)))
}
