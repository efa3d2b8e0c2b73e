import { copyFileSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { SystemSpec } from '@holdfast/protocol/sandbox-spec'
import { assembleRoot } from './assemble-root.ts'
import type { RootPlan } from './root-plan.ts'

/** Directories of the host as one of the guest's, under what the guest writes there. */
export interface SystemOverlay {
  /** Of the directory that holds what was written. */
  readonly name: string
  /** Of the guest. */
  readonly target: string
  /** Of the host, the highest first. */
  readonly layers: readonly string[]
}

/**
 * A plan as overlays, the root's first. What lies in no directory of the host is made in `folder`. A directory or an image
 * is a layer of the root itself, below the places of mounts: links of its own there are covered, not followed.
 */
export function overlaysOf(
  { system, plan }: { readonly system: SystemSpec; readonly plan: RootPlan },
  folder: string,
): readonly SystemOverlay[] {
  const root = join(folder, 'root')
  mkdirSync(root, { recursive: true })
  if (system.kind === 'directory') {
    assembleRoot(root, { ...plan, binds: [], links: {} })
    return [{ name: 'root', target: '/', layers: [root, realpathSync(system.path)] }]
  }
  assembleRoot(root, plan)
  for (const { source, target, kind } of plan.binds)
    if (kind === 'file') copyFileSync(source, join(root, target))
  const directories = plan.binds.filter(({ kind }) => kind === 'directory')
  return [
    { name: 'root', target: '/', layers: [root] },
    ...directories.map(({ source, target }) => ({
      name: `root${target.replaceAll('/', '+')}`,
      target,
      layers: [
        ...plan.hidden.filter((path) => dirname(path) === target).flatMap((path) => cover(folder, path)),
        source,
      ],
    })),
  ]
}

/** Two layers by which a directory is empty: a file ends what is merged, and an empty directory covers the file. */
function cover(folder: string, path: string): string[] {
  const [empty, end] = ['empty', 'end'].map((kind) => join(folder, `${kind}${path.replaceAll('/', '+')}`))
  if (empty === undefined || end === undefined) return []
  mkdirSync(join(empty, basename(path)), { recursive: true })
  mkdirSync(end)
  writeFileSync(join(end, basename(path)), '')
  return [empty, end]
}
