import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Failure } from '@holdfast/base/failure'

/** Where the programs of this installation lie. */
export interface NativePrograms {
  /** packages/sandbox/native/mount-helper.c, built. */
  readonly holdmount: string
  /** The first process of each sandbox, and the guest's `hold`. */
  readonly holdinit: string
  /** Kills sandboxes at their deadlines, whoever is alive; of the host agent. */
  readonly holdwatch: string
  /** The numbers of the kernel's calls, a table. */
  readonly syscalls: string
  /** The Node that guests get. */
  readonly node: string
}

/** Those that `npm run native` makes, and the Node that runs this. */
export function installedPrograms(): NativePrograms {
  const built = (name: string) => fileURLToPath(new URL(`../../../build/${name}`, import.meta.url))
  return {
    holdmount: built('holdmount'),
    holdinit: built('holdinit'),
    holdwatch: built('holdwatch'),
    syscalls: built('syscalls'),
    node: process.execPath,
  }
}

/** Throws `unsupported-here` and names the one that is missing. */
export function assertPresent(programs: NativePrograms): void {
  for (const path of Object.values(programs))
    if (!existsSync(path))
      throw new Failure('unsupported-here', `${path} is missing: run \`npm run native\``, { path })
}
