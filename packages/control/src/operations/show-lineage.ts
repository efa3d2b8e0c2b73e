import type { WorkspaceId } from '@holdfast/protocol/identifiers'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace } from './find-workspace.ts'

const DEPTH_MAX = 64
const SHOWN_MAX = 1000

/** The tree that a workspace belongs to: from its oldest ancestor that is still there, parents before children. */
export async function lineageOf(
  deps: Deps,
  caller: Caller,
  name: string,
): Promise<readonly WorkspaceRecord[]> {
  const { workspaces } = deps.store.read
  let root = await findWorkspace(deps, caller, name)
  for (let step = 0; step < DEPTH_MAX && root.parent !== null; step++) {
    const parent = await workspaces.find(caller.org, root.parent)
    if (parent === undefined) break
    root = parent
  }
  const tree: WorkspaceRecord[] = [root]
  let row: readonly WorkspaceId[] = [root.id]
  for (let depth = 0; depth < DEPTH_MAX && row.length > 0 && tree.length < SHOWN_MAX; depth++) {
    const children = await workspaces.children(caller.org, row)
    tree.push(...children.slice(0, SHOWN_MAX - tree.length))
    row = children.map(({ id }) => id)
  }
  return tree
}
