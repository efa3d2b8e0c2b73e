import { join } from 'node:path'
import { GUEST_WORKSPACE } from '../system/root-plan.ts'

/** A pack that is unpacked on this host. */
export interface LocalPack {
  readonly name: string
  /** Where its content is: a directory of the host that nobody writes any more. */
  readonly root: string
}

/** Below the volume, and so below `/workspace`. */
export const PACKS_DIRECTORY = 'packs'

/** Where the guest finds it. Pure. */
export function packTarget({ name }: LocalPack): string {
  return join(GUEST_WORKSPACE, PACKS_DIRECTORY, name)
}
