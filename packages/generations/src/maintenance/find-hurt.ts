import { toText } from '../format/byte-string.ts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import { isIndexKey, packKey } from '../format/names.ts'
import type { DamageMap } from './damage-map.ts'
import { HurtTree } from './hurt-tree.ts'
import type { StoreDeps } from './maintenance-deps.ts'
import { openReadable, retainedGenerations } from './mark-workspace.ts'

/** Paths named for one damaged object. */
const PATHS_MAX = 20

export interface Hurt {
  readonly generations: readonly string[]
  readonly paths: readonly string[]
}

/** Finds the generations and paths that damaged objects take with them; the result answers by object key. */
export async function findHurt(
  deps: StoreDeps,
  scope: { readonly org: string; readonly workspaces: readonly string[]; readonly damage: DamageMap },
): Promise<(object: string) => Hurt> {
  const generations = new Map<string, string[]>()
  const paths = new Map<string, readonly string[]>()
  for (const workspace of scope.workspaces) {
    const unreadable: string[] = []
    const chunks = await openReadable(
      deps,
      { org: scope.org, workspace },
      { onUnreadable: (name) => unreadable.push(isIndexKey(name) ? name : packKey(name)) },
    )
    if (unreadable.length === 0) unreadable.push(missingFrom(workspace))
    const tree = new HurtTree({ chunks, damage: scope.damage, unreadable })
    for (const { id, root } of await retainedGenerations(deps.index, workspace)) {
      for (const object of await tree.culpritsOf(chunkIdFromHex(root))) {
        if (object === missingFrom(workspace))
          scope.damage.addIndexObject(object, 'chunk-missing: no pack holds a chunk that is needed')
        const ids = generations.get(object) ?? []
        ids.push(id)
        generations.set(object, ids)
        if (!paths.has(object)) {
          const found = await tree.pathsHurtBy(object, chunkIdFromHex(root), PATHS_MAX)
          paths.set(
            object,
            found.map((path) => (path === '' ? '.' : toText(path))),
          )
        }
      }
    }
  }
  return (object) => ({ generations: generations.get(object) ?? [], paths: paths.get(object) ?? [] })
}

/** Stands for the culprit when chunks are missing and every table could be read. */
function missingFrom(workspace: string): string {
  return `chunk index of ${workspace}`
}
